// What takes access away: keys revoked, teams suspended. Each goes to edges by the revocation lane, ahead of the
// configuration that holds it too.

import AdminAPI
import Postgres
import StraitProtocol

package struct RevocationService: Sendable {
  let changes: ChangeService
  package static let maximumKeys = 1000
  package static let listRange = 1...1000
  package static let listDefault = 20

  package init(changes: ChangeService) {
    self.changes = changes
  }

  // MARK: Keys

  package func revoke(_ request: RevocationRequest, by actor: Actor) async throws -> RevocationResult {
    switch (request.ids, request.team) {
    case (let ids?, nil): return try await revoke(ids, confirm: request.confirm, by: actor)
    case (nil, let team?): return try await revoke(allOf: team, confirm: request.confirm, by: actor)
    default:
      throw Refusal.invalid("the request names keys and a team, or neither", hint: "give one of the two")
    }
  }

  /// Revoking what is revoked changes nothing and is no error.
  func revoke(_ named: [String], confirm: Int?, by actor: Actor) async throws -> RevocationResult {
    guard (1...Self.maximumKeys).contains(named.count) else {
      throw Refusal.invalid(
        "\(named.count) keys are named", hint: "name 1 to \(Self.maximumKeys) at a time, or a whole team")
    }
    let (ids, keys, count) = try await changes.perform(by: actor) { transaction in
      var ids: [KeyID] = []
      for name in named { ids.append(try await KeyService.resolve(name, on: transaction)) }
      let revoked = try await KeyStore.revoke(ids, on: transaction)
      let count = revoked.count(where: \.wasGood)
      let isConfirmed =
        revoked.isEmpty ? false : try await Self.check(count, confirm: confirm, on: transaction)
      var keys: [KeySummary] = []
      for id in ids { keys.append(try await KeyService.summary(of: id, on: transaction)) }
      let gone = Set(revoked.map { $0.id.description })
      let change = Change(
        "key.revoke", subject: keys.filter { gone.contains($0.id) }.map(\.publicID).joined(separator: " "),
        resources: revoked.map { ResourceKey(.key, $0.id) },
        confirms: try await Self.confirmedVersion(isConfirmed, count, on: transaction),
        revoking: revoked.map {
          Revoking(.key($0.id), keyCount: $0.wasGood ? 1 : 0, isConfirmed: isConfirmed)
        })
      return ((ids, keys, count), revoked.isEmpty ? nil : change)
    }
    return RevocationResult(
      keys: keys, revokedKeys: count, revocations: try await summaries(ofKeys: ids, team: nil))
  }

  func revoke(allOf name: String, confirm: Int?, by actor: Actor) async throws -> RevocationResult {
    let (team, count) = try await changes.perform(by: actor) { transaction in
      let team = try await TeamService.resolve(name, on: transaction)
      let count = try await KeyStore.countGood(team: team, limit: .max, on: transaction)
      let revoked = try await KeyStore.revoke(allOf: team, on: transaction)
      try await TeamStore.noteUnchanged(team, on: transaction)
      let isConfirmed =
        revoked.isEmpty ? false : try await Self.check(count, confirm: confirm, on: transaction)
      // The team stands for its keys in what edges are sent; the log of changes names them where they are not too many.
      // Where it does not, nothing tells what they were, and so beyond as many nobody counts on from the version before.
      let areNamed = revoked.count <= ConfigurationReader.countedChanges
      let keys = areNamed ? revoked.map { ResourceKey(.key, $0) } : []
      let change = Change(
        "team.revoke-keys", subject: name, resources: [ResourceKey(.team, team)] + keys,
        confirms: try await Self.confirmedVersion(isConfirmed, count, on: transaction),
        revoking: [Revoking(.team(team), keyCount: count, isConfirmed: isConfirmed)])
      return ((team, count), revoked.isEmpty ? nil : change)
    }
    return RevocationResult(
      keys: [], revokedKeys: count, revocations: try await summaries(ofKeys: [], team: team))
  }

  // MARK: Teams

  /// Suspending a team refuses all its keys until it is resumed. What is so already changes nothing and is no error.
  package func setSuspended(
    _ name: String, _ request: SuspensionRequest, by actor: Actor
  ) async throws -> SuspensionResult {
    let suspends = request.suspended
    let (id, team) = try await changes.perform(by: actor) { transaction in
      let id = try await TeamService.resolve(name, on: transaction)
      let count = suspends ? try await KeyStore.countGood(team: id, limit: .max, on: transaction) : 0
      let isNews = try await TeamStore.setSuspended(suspends, id, on: transaction)
      var revoking: [Revoking] = []
      var confirms: UInt64?
      if suspends, isNews {
        let isConfirmed = try await Self.check(count, confirm: request.confirm, on: transaction)
        revoking = [Revoking(.team(id), keyCount: count, isConfirmed: isConfirmed)]
        confirms = try await Self.confirmedVersion(isConfirmed, count, on: transaction)
      }
      guard let team = try await TeamStore.find(id, on: transaction) else {
        throw Refusal(.notFound, "team \(id) is gone")
      }
      let change = Change(
        suspends ? "team.suspend" : "team.resume", subject: team.name, resources: [ResourceKey(.team, id)],
        confirms: confirms, revoking: revoking)
      return ((id, team), isNews ? change : nil)
    }
    return SuspensionResult(
      team: team, revocations: suspends ? try await summaries(ofKeys: [], team: id) : [])
  }

  // MARK: What became of them

  package func list(limit asked: String?) async throws -> [RevocationSummary] {
    let limit = asked.map { Int($0) ?? 0 } ?? Self.listDefault
    guard Self.listRange.contains(limit) else {
      throw Refusal.invalid("limit is \(quoted(asked ?? ""))", hint: "use a number from 1 to 1000")
    }
    return try await RevocationListStore.list(limit: limit, on: changes.pool)
  }

  package func find(_ text: String) async throws -> RevocationSummary {
    let number = try Self.number(text)
    guard let found = try await RevocationListStore.list([number], limit: 1, on: changes.pool).first else {
      throw Self.unknown(number)
    }
    return found
  }

  /// Says to edges that refused a revocation of many keys that it is meant. Where they also refused the configuration that
  /// holds it, a new version says the same of what is gone there; a rollout that halted for it begins anew with that.
  package func confirm(_ text: String, by actor: Actor) async throws -> RevocationSummary {
    let number = try Self.number(text)
    let confirmed = try await changes.perform(by: actor) { transaction in
      _ = try await HistoryStore.lock(on: transaction)
      let refused = try await RevocationStore.heldUp(by: number, on: transaction)
      guard let confirmed = try await RevocationStore.confirm(number, on: transaction) else {
        throw Self.unknown(number)
      }
      let change = Change(
        "revocation.confirm", subject: "\(number) as \(confirmed)", confirms: refused)
      return (confirmed, change)
    }
    return try await find("\(confirmed)")
  }

  // MARK: Parts

  /// Whether somebody has said that so many keys go; asks for it where they are many.
  /// - Parameter count: good keys that the transaction has taken away
  private static func check(
    _ count: Int, confirm: Int?, on transaction: PostgresTransaction
  ) async throws -> Bool {
    // One after the other, or two at once would not see what the other one takes.
    try await transaction.query("SELECT FROM configuration_state FOR UPDATE")
    if let confirm {
      guard confirm == count else {
        throw Refusal(
          .conflict, "\(confirm) keys are confirmed, but \(count) would go",
          hint: "if that is meant, confirm \(count)")
      }
      return true
    }
    guard count > 0 else { return false }
    let recently = try await RevocationStore.recentKeyCount(on: transaction)
    let left = try await KeyStore.countGood(
      limit: RevocationCap.enough(for: count, recently: recently), on: transaction)
    guard RevocationCap.needsConfirmation(of: count, recently: recently, total: left + count) else {
      return false
    }
    let before = recently > 0 ? ", after \(recently) within \(RevocationCap.burstSeconds) seconds" : ""
    throw Refusal(
      .conflict, "\(count) of \(left + count) keys would go at once\(before): more than a fifth",
      hint: "if that is meant, say how many: --confirm \(count)")
  }

  /// The version that the change makes, where the configuration that holds a confirmed revocation is to say so too: an edge
  /// may get it before the revocation itself. Of very many keys it does not, for they would have to be counted first.
  private static func confirmedVersion(
    _ isConfirmed: Bool, _ count: Int, on transaction: PostgresTransaction
  ) async throws -> UInt64? {
    guard isConfirmed, count <= ConfigurationReader.countedChanges else { return nil }
    return try await HistoryStore.lock(on: transaction).newest + 1
  }

  private func summaries(ofKeys keys: [KeyID], team: TeamID?) async throws -> [RevocationSummary] {
    let numbers = try await RevocationListStore.numbers(ofKeys: keys, team: team, on: changes.pool)
    return try await RevocationListStore.list(numbers, limit: max(1, numbers.count), on: changes.pool)
  }

  private static func number(_ text: String) throws -> UInt64 {
    guard let number = UInt64(text) else {
      throw Refusal.invalid(
        "\(quoted(text)) is not a revocation's number", hint: "see `strait revocation list`")
    }
    return number
  }

  private static func unknown(_ number: UInt64) -> Refusal {
    Refusal(
      .notFound, "there is no revocation \(number), or it was confirmed under a newer number",
      hint: "see `strait revocation list`")
  }
}
