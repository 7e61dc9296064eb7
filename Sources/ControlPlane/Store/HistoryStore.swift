// The versions that were made, and what was different between any two of them.

import AdminAPI
import Postgres
import StraitProtocol

package enum HistoryStore {
  package struct Bounds: Sendable {
    package let newest: UInt64
    /// What came before cannot be shown.
    package let oldest: UInt64
    /// The last version that every edge may have.
    package let everywhere: UInt64
  }

  package static func bounds(on session: some PostgresSession) async throws -> Bounds {
    let row = try await session.query("SELECT version, known_from, everywhere FROM configuration_state")
      .single()
    return Bounds(
      newest: try row.unsigned("version"), oldest: try row.unsigned("known_from"),
      everywhere: try row.unsigned("everywhere"))
  }

  /// As `bounds`, and no version is made until the transaction ends.
  package static func lock(on transaction: PostgresTransaction) async throws -> Bounds {
    try await transaction.query("SELECT FROM configuration_state FOR UPDATE")
    return try await bounds(on: transaction)
  }

  /// Newest first, older than `before` where that is given.
  package static func list(
    before: UInt64?, limit: Int, on session: some PostgresSession
  ) async throws -> [VersionSummary] {
    try await session.query(
      """
      SELECT versions.version, made_at, restores, actor, action, subject, versions.version <= everywhere AS everywhere,
        (SELECT count(*) FROM configuration_changes WHERE version = versions.version) AS resources
      FROM configuration_versions AS versions CROSS JOIN configuration_state
      LEFT JOIN LATERAL (
        SELECT actor, action, subject FROM audit_entries WHERE version = versions.version ORDER BY id LIMIT 1
      ) AS entry ON true
      WHERE $1::bigint IS NULL OR versions.version < $1 ORDER BY versions.version DESC LIMIT $2
      """, before.map { Int64(clamping: $0) }, Int64(limit)
    ).map { row in
      VersionSummary(
        version: try row.unsigned("version"), madeAt: try row.time("made_at"), actor: try row.get("actor"),
        action: try row.get("action"), subject: try row.get("subject"), resources: try row.get("resources"),
        restores: try row.get("restores", as: Int64?.self).map { UInt64(clamping: $0) },
        everywhere: try row.get("everywhere"))
    }
  }

  /// What was different between two versions, references before what refers to them. Sealed credentials and digests
  /// do not leave the database: of a credential it is said only whether it is another one.
  package static func differences(
    from: UInt64, to: UInt64, limit: Int, on session: some PostgresSession
  ) async throws -> (resources: [ResourceDifference], omitted: Int) {
    let rows = try await session.query(
      """
      SELECT kind, resource, (before - 'credential_sealed' - 'digest')::text AS before,
        (after - 'credential_sealed' - 'digest')::text AS after,
        coalesce(before -> 'credential_sealed' IS DISTINCT FROM after -> 'credential_sealed', false) AS other_credential,
        count(*) OVER () AS total
      FROM (
        SELECT kind, resource, resource_at(kind, resource, $1) AS before, resource_at(kind, resource, $2) AS after
        FROM (
          SELECT DISTINCT kind, resource FROM configuration_changes WHERE version > $1 AND version <= $2
        ) AS touched
      ) AS contents
      WHERE before IS DISTINCT FROM after
      ORDER BY array_position(ARRAY['region', 'upstream', 'offer', 'team', 'key'], kind), resource LIMIT $3
      """, Int64(clamping: from), Int64(clamping: to), Int64(limit))
    let differences = try rows.map { row in
      ResourceDifference(
        kind: try row.get("kind"), id: try row.get("resource"),
        before: try ResourceContent(json: row.get("before")),
        after: try ResourceContent(json: row.get("after")),
        otherCredential: try row.get("other_credential"))
    }
    let total = try rows.first?.get("total", as: Int64.self) ?? 0
    return (differences, Int(total) - rows.count)
  }
}
