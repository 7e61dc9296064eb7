// The log of changes: which version changed which resources, and who did it.

import Postgres
import StraitProtocol

/// A resource that edges hold a copy of.
package struct ResourceKey: Hashable, Sendable {
  package enum Kind: String, Sendable, CaseIterable {
    case region
    case upstream
    case offer
    case team
    case key
  }

  package let kind: Kind
  /// A region's name, or an identifier's text.
  package let id: String

  package init(_ kind: Kind, _ id: some CustomStringConvertible) {
    self.kind = kind
    self.id = id.description
  }
}

/// How carefully a version goes out to the edges.
package enum Pace: String, Sendable, CaseIterable {
  /// To all of them: what it brings back has been everywhere before.
  case atOnce = "at_once"
  /// Step by step, as fast as edges answer.
  case quick
  /// Step by step, and every step is watched for a while.
  case watched
}

package enum ChangeStore {
  package static let channel: StaticString = "strait_configuration"

  /// Numbers a new version. The row stays locked until the transaction ends, so versions are committed in order; every
  /// change does this last, so two changes cannot wait for each other.
  package static func appendVersion(
    changing resources: [ResourceKey], pace: Pace, restoring restored: UInt64? = nil,
    confirming confirmed: UInt64? = nil,
    on session: PostgresTransaction
  ) async throws -> Int64 {
    let version: Int64 = try await session.query(
      "UPDATE configuration_state SET version = version + 1 RETURNING version"
    ).single().get("version")
    try await session.query(
      "INSERT INTO configuration_versions (version, pace, restores, confirms) VALUES ($1, $2, $3, $4)",
      version, pace.rawValue, restored.map { Int64(clamping: $0) }, confirmed.map { Int64(clamping: $0) })
    // The triggers have kept what the changed rows were before.
    try await session.query(
      """
      WITH kept AS (
        DELETE FROM resources_before WHERE transaction = pg_current_xact_id() RETURNING kind, resource, content
      )
      INSERT INTO configuration_changes (version, kind, resource, before)
      SELECT $1, changed.kind, changed.resource, kept.content
      FROM unnest($2, $3) AS changed (kind, resource) LEFT JOIN kept USING (kind, resource)
      """, version, resources.map(\.kind.rawValue), resources.map(\.id))
    try await session.query("SELECT pg_notify('strait_configuration', $1::bigint::text)", version)
    return version
  }

  package static func appendAudit(
    _ id: PostgresUUID, actor: Actor, action: String, subject: String, version: Int64?,
    on session: PostgresTransaction
  ) async throws {
    try await session.query(
      "INSERT INTO audit_entries (id, actor, action, subject, version) VALUES ($1, $2, $3, $4, $5)",
      id, actor.description, action, subject, version)
  }

  package static func newestVersion(on session: some PostgresSession) async throws -> UInt64 {
    try await session.query("SELECT version FROM configuration_state").single().unsigned("version")
  }

  /// The oldest version that a delta can start from.
  package static func oldestBase(on session: some PostgresSession) async throws -> UInt64 {
    try await session.query(
      "SELECT coalesce(min(version) - 1, 0) AS version FROM configuration_versions"
    ).single().unsigned("version")
  }

  /// What changed after one version and up to another.
  package static func changes(
    after from: UInt64, through version: UInt64, on session: some PostgresSession
  ) async throws -> [ResourceKey] {
    try await session.query(
      "SELECT DISTINCT kind, resource FROM configuration_changes WHERE version > $1 AND version <= $2",
      Int64(clamping: from), Int64(clamping: version)
    ).compactMap(ResourceKey.init)
  }
}

extension ResourceKey {
  /// - Returns: nothing for a kind that the table's check does not admit
  init?(_ row: PostgresRow) throws {
    guard let kind = Kind(rawValue: try row.get("kind")) else { return nil }
    self.init(kind, try row.get("resource", as: String.self))
  }
}
