// The one way in which anything changes: a transaction that holds the change, its audit entry, the new version and the
// notification that makes every replica push it.

import Postgres
import StraitProtocol

/// What a change did, for the log of changes.
package struct Change: Sendable {
  /// `team.create`
  package let action: String
  /// Whom it happened to, for people: a name or an id, never a secret.
  package let subject: String
  /// What edges hold a copy of and must learn anew. A change without any makes no version.
  package let resources: [ResourceKey]
  package let pace: Pace
  /// The version whose content it brings back.
  package let restores: UInt64?
  /// What edges must refuse ahead of the version.
  package let revoking: [Revoking]
  /// The version up to which somebody has said that removals are meant; it may be the one that the change makes.
  package let confirms: UInt64?
  /// Whether it makes a version even where no resource changes.
  package let isVersion: Bool

  /// - Parameter pace: what callers need is quick, and what serves them is watched, where nothing else is said
  package init(
    _ action: String, subject: some CustomStringConvertible, resources: [ResourceKey] = [], pace: Pace? = nil,
    restores: UInt64? = nil, confirms: UInt64? = nil, isVersion: Bool = false, revoking: [Revoking] = []
  ) {
    self.action = action
    self.subject = subject.description
    self.resources = resources
    self.pace = pace ?? (resources.allSatisfy(\.isOfCallers) ? .quick : .watched)
    self.restores = restores
    self.confirms = confirms
    self.revoking = revoking
    self.isVersion = isVersion || restores != nil || confirms != nil || !resources.isEmpty
  }
}

extension ResourceKey {
  /// Teams and keys: who may ask. The other kinds say who answers.
  package var isOfCallers: Bool { kind == .team || kind == .key }
}

package struct ChangeService: Sendable {
  package let pool: PostgresPool

  package init(pool: PostgresPool) {
    self.pool = pool
  }

  /// Runs a change. The body may run again where another transaction stood in the way, so it has no other effects.
  /// - Parameter body: returns its result and what it did; nothing where all was as asked already
  package func perform<Value: Sendable>(
    by actor: Actor, _ body: @escaping @Sendable (PostgresTransaction) async throws -> (Value, Change?)
  ) async throws -> Value {
    try await pool.transaction { transaction in
      let (value, change) = try await body(transaction)
      if let change { try await Self.record(change, by: actor, on: transaction) }
      return value
    }
  }

  /// Writes down what a transaction did; where edges must learn of it, that is a version, and its way to them begins.
  static func record(_ change: Change, by actor: Actor, on transaction: PostgresTransaction) async throws {
    var version: Int64?
    if change.isVersion {
      let made = try await ChangeStore.appendVersion(
        changing: change.resources, pace: change.pace, restoring: change.restores,
        confirming: change.confirms, on: transaction)
      try await RevocationStore.append(change.revoking, version: made, on: transaction)
      version = made
    }
    try await ChangeStore.appendAudit(
      newUUID(), actor: actor, action: change.action, subject: change.subject, version: version,
      on: transaction)
    if version != nil {
      try await RolloutService.versionMade(restores: change.restores != nil, on: transaction)
    }
  }
}

/// A new identifier for this moment.
package func newIdentifier<Subject>() -> Identifier<Subject> {
  var generator = SystemRandomNumberGenerator()
  return Identifier(now: Moment.now.microseconds, using: &generator)
}

/// A new UUIDv7 for rows that no typed identifier names.
package func newUUID() -> PostgresUUID {
  let identifier: Identifier<AuditSubject> = newIdentifier()
  return PostgresUUID(high: identifier.high, low: identifier.low)
}

private enum AuditSubject {}

/// Runs `body`, and says `refusal` in place of a unique violation.
func refusingDuplicates<Value>(
  as refusal: Refusal, _ body: () async throws -> Value
) async throws -> Value {
  do {
    return try await body()
  } catch let error as PostgresError where error.kind == .uniqueViolation {
    throw refusal
  }
}
