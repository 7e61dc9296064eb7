// Versions of the configuration: what each changed, and the way back to one. The way back is a new version.

import AdminAPI
import Postgres
import StraitProtocol

package struct VersionService: Sendable {
  let changes: ChangeService

  package static let pageRange = 1...500
  package static let defaultPage = 50
  package static let maximumDifferences = 1000
  /// Of the edges that are behind, so many are shown what a confirmation means to them.
  package static let maximumConfirmedEdges = 1000

  package init(changes: ChangeService) {
    self.changes = changes
  }

  package func list(before: String?, limit: String?) async throws -> [VersionSummary] {
    let limit = try limit.map { text in
      guard let number = Int(text), Self.pageRange.contains(number) else {
        throw Refusal.invalid("limit is not a number from 1 to \(Self.pageRange.upperBound)")
      }
      return number
    }
    return try await HistoryStore.list(
      before: try before.map(Self.number), limit: limit ?? Self.defaultPage, on: changes.pool)
  }

  /// What is different at `to` from what was at `from`, or at the version before where that is not said.
  package func difference(from: String?, to: String) async throws -> VersionDifference {
    let to = try Self.number(to)
    let from = try from.map(Self.number) ?? (to > 0 ? to - 1 : 0)
    guard from < to else {
      throw Refusal.invalid("version \(from) is not older than version \(to)", hint: "swap the two")
    }
    return try await changes.pool.transaction(isolation: .repeatableRead) { transaction in
      let bounds = try await HistoryStore.bounds(on: transaction)
      try Self.check(to, bounds)
      try Self.check(from, bounds)
      let (resources, omitted) = try await HistoryStore.differences(
        from: from, to: to, limit: Self.maximumDifferences, on: transaction)
      return VersionDifference(from: from, to: to, resources: resources, omitted: omitted)
    }
  }

  /// Makes a new version with what an older one had.
  /// - Parameter confirm: how many regions, upstreams and offers are to go: edges then take it although they are many
  package func rollBack(
    to text: String, confirm: String? = nil, by actor: Actor
  ) async throws -> RollbackResult {
    let target = try Self.number(text)
    let confirmed = try confirm.map { text in
      guard let count = Int(text), count >= 0 else { throw Refusal.invalid("confirm is not a number") }
      return count
    }
    return try await changes.perform(by: actor) { transaction in
      let bounds = try await HistoryStore.lock(on: transaction)
      try Self.check(target, bounds)
      guard target < bounds.newest else {
        throw Refusal(
          .conflict, "version \(target) is the newest already", hint: "see `strait version list`")
      }
      let outcome = try await RollbackStore.restore(to: target, on: transaction)
      if let confirmed, confirmed != outcome.removed {
        throw Refusal(
          .conflict, "\(confirmed) removals are confirmed, but \(outcome.removed) resources would go",
          hint: "if that is meant, confirm \(outcome.removed)")
      }
      let result = RollbackResult(
        version: bounds.newest + 1, restores: target, resources: outcome.changed.count,
        kept: outcome.kept.map(\.id))
      // What has never been everywhere has not been tried.
      let change = Change(
        "version.rollback", subject: "to version \(target)", resources: outcome.changed,
        pace: target <= bounds.everywhere ? .quick : .watched,
        restores: target, confirms: confirmed.map { _ in bounds.newest + 1 })
      return (result, change)
    }
  }

  /// Says that whatever is gone at a version is meant to be, for edges that refused it or will. A new version carries
  /// that to them.
  package func confirm(_ text: String, by actor: Actor) async throws -> VersionConfirmation {
    let confirmed = try Self.number(text)
    return try await changes.perform(by: actor) { transaction in
      let bounds = try await HistoryStore.lock(on: transaction)
      try Self.check(confirmed, bounds)
      var edges: [ConfirmedEdge] = []
      var counted: [UInt64: WireConfirmedRemovals] = [:]
      for edge in try await FleetStore.list(on: transaction).prefix(Self.maximumConfirmedEdges)
      where edge.version < confirmed && edge.version >= bounds.oldest {
        if counted[edge.version] == nil {
          counted[edge.version] = try await ConfirmationStore.removals(
            since: edge.version, through: confirmed, on: transaction)
        }
        edges.append(ConfirmedEdge(edge, counted[edge.version] ?? WireConfirmedRemovals()))
      }
      let result = VersionConfirmation(version: bounds.newest + 1, confirms: confirmed, edges: edges)
      let change = Change("version.confirm", subject: "version \(confirmed)", confirms: confirmed)
      return (result, change)
    }
  }

  private static func number(_ text: String) throws(Refusal) -> UInt64 {
    guard let number = UInt64(text) else {
      throw .invalid("\(quoted(text)) is not a version", hint: "see `strait version list`")
    }
    return number
  }

  private static func check(_ version: UInt64, _ bounds: HistoryStore.Bounds) throws(Refusal) {
    guard version <= bounds.newest else {
      throw Refusal(
        .notFound, "there is no version \(version) yet", hint: "the newest is version \(bounds.newest)")
    }
    guard version >= bounds.oldest else {
      throw Refusal(
        .notFound, "version \(version) is older than the history that is kept",
        hint: "the oldest that can be shown or gone back to is version \(bounds.oldest)")
    }
  }
}

extension ConfirmedEdge {
  fileprivate init(_ edge: EdgeSummary, _ gone: WireConfirmedRemovals) {
    self.init(
      edge: edge.id, region: edge.region, version: edge.version, regions: Int(clamping: gone.regions),
      upstreams: Int(clamping: gone.upstreams), offers: Int(clamping: gone.offers),
      teams: Int(clamping: gone.teams), keys: Int(clamping: gone.keys))
  }
}
