// Carries versions to the edges step by step. All that it knows is in the database, under the lock that numbers
// versions, so that any replica takes the next step and no two take it at once.

import AdminAPI
import Postgres
import StraitProtocol

package struct RolloutService: Sendable {
  let pool: PostgresPool
  let settings: RolloutSettings

  package init(pool: PostgresPool, settings: RolloutSettings = RolloutSettings()) {
    self.pool = pool
    self.settings = settings
  }

  // MARK: For people

  package func list(limit text: String?) async throws -> [RolloutSummary] {
    let limit = try text.map { text in
      guard let number = Int(text), (1...500).contains(number) else {
        throw Refusal.invalid("limit is not a number from 1 to 500")
      }
      return number
    }
    return try await RolloutStore.list(limit: limit ?? 50, on: pool)
  }

  package func find(_ text: String) async throws -> RolloutSummary {
    try await Self.find(text, on: pool)
  }

  /// Tries a halted rollout again, from its first step, as a new version: an edge is not sent again what it refused.
  package func resume(_ text: String, by actor: Actor) async throws -> RolloutSummary {
    try await pool.transaction { transaction in
      _ = try await HistoryStore.lock(on: transaction)
      let open = try await Self.open(text, on: transaction)
      guard open.isHalted else {
        throw Refusal(.conflict, "rollout \(open.rollout.number) runs already", hint: Self.hint)
      }
      let change = Change(
        "rollout.resume", subject: "of version \(open.rollout.target)", pace: open.rollout.pace,
        isVersion: true)
      try await ChangeService.record(change, by: actor, on: transaction)
      return try await Self.find(text, on: transaction)
    }
  }

  /// Takes a rollout back: a new version has what was everywhere before.
  package func abort(_ text: String, by actor: Actor) async throws -> RolloutSummary {
    try await pool.transaction { transaction in
      let bounds = try await HistoryStore.lock(on: transaction)
      let open = try await Self.open(text, on: transaction)
      let taken = try await Self.takeBack(
        open.rollout, reason: "aborted by \(actor)", newest: bounds.newest, by: actor, on: transaction)
      guard taken else {
        throw Refusal(
          .conflict, "rollout \(open.rollout.number) has nothing that could be taken back",
          hint: "it is a rollback itself, or only takes access away; resume it, or change what edges refuse")
      }
      return try await Self.find(text, on: transaction)
    }
  }

  private static let hint = "see `strait rollout list`"

  private static func find(_ text: String, on session: some PostgresSession) async throws -> RolloutSummary {
    guard let number = Int64(text), var summary = try await RolloutStore.find(number, on: session) else {
      throw Refusal(.notFound, "there is no rollout \(quoted(text))", hint: hint)
    }
    summary.edges = try await RolloutStore.edges(of: number, on: session)
    return summary
  }

  private static func open(
    _ text: String, on transaction: PostgresTransaction
  ) async throws -> RolloutStore.Open {
    let asked = try await find(text, on: transaction)
    guard let open = try await RolloutStore.open(on: transaction), open.rollout.number == asked.number else {
      throw Refusal(.conflict, "rollout \(asked.number) has ended already: \(asked.state)", hint: hint)
    }
    return open
  }
}

// MARK: Steps

extension RolloutService {
  /// Begins the way of the newest version, unless another one is on its way. Part of the change that made it.
  static func versionMade(restores: Bool, on transaction: PostgresTransaction) async throws {
    let bounds = try await HistoryStore.bounds(on: transaction)
    guard let open = try await RolloutStore.open(on: transaction) else {
      try await begin(bounds, on: transaction)
      return
    }
    let rollout = open.rollout
    if open.isHalted || restores {
      // A halted one is mended by what comes next, and who goes back does not wait for what he goes back from.
      try await RolloutStore.end(rollout.number, .superseded, on: transaction)
      try await begin(bounds, on: transaction)
    } else if rollout.stage == .fleet && rollout.pace != .watched {
      // All edges have it or get it now; the next version need not wait for the last of their answers.
      try await finish(rollout, on: transaction)
      try await begin(HistoryStore.bounds(on: transaction), on: transaction)
    }
  }

  /// Says that a replica is there to hear edges. Not part of a step, which may wait for a change.
  func attend() async throws { try await RolloutStore.noteAttendance(on: pool) }

  /// Says that a replica is about to send its edges away.
  func leave() async throws { try await RolloutStore.breakAttendance(on: pool) }

  /// Takes every step that is due.
  /// - Returns: when to look again at the latest; nothing where only a new version brings something to do
  @discardableResult
  func step() async throws -> Moment? {
    guard try await RolloutStore.isDue(on: pool) else { return nil }
    return try await pool.transaction { transaction in
      // Each turn enters a stage, ends a rollout or begins one: there are not many to come.
      while true {
        let bounds = try await HistoryStore.lock(on: transaction)
        // Before what they are compared with: an edge that is seen to have the version has said from where it counts.
        let (edges, attendance, now) = try await RolloutStore.edges(on: transaction)
        guard let open = try await RolloutStore.open(on: transaction) else {
          guard bounds.everywhere < bounds.newest else { return nil }
          let begun = try await Self.begin(
            bounds, answerSeconds: settings.answerSeconds, on: transaction)
          if case .wait(let until) = begun { return until }
          continue
        }
        if open.isHalted { return nil }
        let decision = RolloutDecision(
          rollout: open.rollout, edges: edges, attendance: attendance, settings: settings, now: now)
        switch decision.next() {
        case .wait(let until): return until
        case .enter(let stage, let canary, let watching, let lost):
          try await RolloutStore.enter(
            stage, of: open.rollout.number, canary: canary, watching: watching, lost: lost, on: transaction)
          try await RolloutStore.announce(on: transaction)
        case .finish: try await Self.finish(open.rollout, on: transaction)
        case .halt(let reason): try await Self.halt(open.rollout, reason, bounds, on: transaction)
        }
      }
    }
  }

  /// Begins the way of the newest version. While edges are about to come back to a control plane that was away, none
  /// begins: the version is newer than what is everywhere, and each step looks again.
  /// - Parameter answerSeconds: the longest that it may be, where the settings are not at hand: the next step has them
  /// - Returns: `wait` where none has begun
  @discardableResult
  private static func begin(
    _ bounds: HistoryStore.Bounds, answerSeconds: Int = RolloutSettings.answerRange.upperBound,
    on transaction: PostgresTransaction
  ) async throws -> RolloutStep {
    let (base, target) = (bounds.everywhere, bounds.newest)
    guard base < target else { return .finish }
    let pace = try await RolloutStore.pace(after: base, on: transaction)
    let (edges, attendance, now) = try await RolloutStore.edges(on: transaction)
    let step = RolloutDecision.first(
      base: base, pace: pace, edges: edges, attendance: attendance, answerSeconds: answerSeconds, now: now)
    switch step {
    case .enter(let stage, let canary, let watching, _):
      try await RolloutStore.begin(
        base: base, target: target, pace: pace, stage: stage, canary: canary, watching: watching,
        on: transaction)
    case .wait: return step
    case .finish, .halt:
      // Nobody is there to try it on: whoever comes back gets it.
      try await RolloutStore.setEverywhere(target, on: transaction)
    }
    try await RolloutStore.announce(on: transaction)
    return step
  }

  private static func finish(_ rollout: Rollout, on transaction: PostgresTransaction) async throws {
    try await RolloutStore.end(rollout.number, .done, on: transaction)
    try await RolloutStore.setEverywhere(rollout.target, on: transaction)
    try await RolloutStore.announce(on: transaction)
  }

  private static func halt(
    _ rollout: Rollout, _ reason: String, _ bounds: HistoryStore.Bounds, on transaction: PostgresTransaction
  ) async throws {
    let taken = try await takeBack(
      rollout, reason: reason, newest: bounds.newest, by: .system, on: transaction)
    guard !taken else { return }
    if bounds.newest > rollout.target {
      // What was changed meanwhile may be what mends it, as a change that comes after the halt may.
      try await RolloutStore.end(rollout.number, .superseded, reason: reason, on: transaction)
      try await begin(bounds, on: transaction)
    } else {
      try await RolloutStore.end(rollout.number, .halted, reason: reason, on: transaction)
    }
    try await RolloutStore.announce(on: transaction)
  }

  /// Makes a version that has what was everywhere before the rollout, for all edges at once. What had been changed behind
  /// it meanwhile follows in a version of its own, which is tried like any other.
  /// - Returns: false where there is nothing that may be taken back: a rollback is not rolled back in its turn, and
  ///   access that was taken away stays away
  private static func takeBack(
    _ rollout: Rollout, reason: String, newest: UInt64, by actor: Actor, on transaction: PostgresTransaction
  ) async throws -> Bool {
    guard rollout.pace != .atOnce else { return false }
    let failed = RollbackStore.Failed(
      base: rollout.base, target: rollout.target, isOfCallers: rollout.pace == .quick, newest: newest)
    var resources: [ResourceKey] = []
    // Where keys were what edges refused, those that were made with them never worked everywhere. A key that goes with
    // what edges had refused before it was made is none of those.
    let isAlone = try await !RolloutStore.followsHalted(rollout, on: transaction)
    if rollout.pace == .quick && isAlone {
      resources = try await RollbackStore.revokeKeys(
        madeAfter: rollout.base, through: rollout.target, on: transaction)
    }
    let hasChanged = try await RollbackStore.hasChanged(failed, on: transaction)
    guard hasChanged || !resources.isEmpty else { return false }
    resources += try await RollbackStore.takeBack(failed, on: transaction).changed
    try await RolloutStore.end(
      rollout.number, .rolledBack, reason: reason, rolledBackBy: newest + 1, on: transaction)
    // Where the rollout added much, much goes again: edges that have it must not take that for a mistake.
    let change = Change(
      "rollout.rollback", subject: "of version \(rollout.target) to \(rollout.base)", resources: resources,
      pace: .atOnce, restores: rollout.base, confirms: newest + 1)
    try await ChangeService.record(change, by: actor, on: transaction)
    try await bringAgain(failed, by: actor, on: transaction)
    return true
  }

  private static func bringAgain(
    _ failed: RollbackStore.Failed, by actor: Actor, on transaction: PostgresTransaction
  ) async throws {
    guard failed.newest > failed.target else { return }
    let again = try await RollbackStore.bringAgain(failed, on: transaction)
    guard !again.changed.isEmpty else { return }
    let left = again.kept.isEmpty ? "" : ", without \(again.kept.map(\.id).joined(separator: " "))"
    let confirmed = try await ConfirmationStore.confirmed(
      after: failed.target, through: failed.newest, on: transaction)
    let change = Change(
      "rollout.go-on", subject: "with what waited behind version \(failed.target)\(left)",
      resources: again.changed, confirms: confirmed.map { _ in failed.newest + 2 })
    try await ChangeService.record(change, by: actor, on: transaction)
  }
}
