// Versions of the configuration: what each changed, and the way back to one. The way back is a new version.

import AdminAPI
import Postgres
import StraitProtocol

package struct VersionService: Sendable {
  let changes: ChangeService

  package static let pageRange = 1...500
  package static let defaultPage = 50
  package static let maximumDifferences = 1000

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
  package func rollBack(to text: String, by actor: Actor) async throws -> RollbackResult {
    let target = try Self.number(text)
    return try await changes.perform(by: actor) { transaction in
      let bounds = try await HistoryStore.lock(on: transaction)
      try Self.check(target, bounds)
      guard target < bounds.newest else {
        throw Refusal(
          .conflict, "version \(target) is the newest already", hint: "see `strait version list`")
      }
      let outcome = try await RollbackStore.restore(to: target, on: transaction)
      let result = RollbackResult(
        version: bounds.newest + 1, restores: target, resources: outcome.changed.count,
        kept: outcome.kept.map(\.id))
      let change = Change(
        "version.rollback", subject: "to version \(target)", resources: outcome.changed, pace: .quick,
        restores: target)
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
