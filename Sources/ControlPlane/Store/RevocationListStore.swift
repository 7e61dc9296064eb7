// Revocations for people: what went, and at which edges that is not in force yet.

import AdminAPI
import Postgres
import StraitProtocol

package enum RevocationListStore {
  /// So many edges are named that do not have a revocation, those first that have a link and have said nothing.
  private static let shownGaps = 100

  /// The newest first.
  /// - Parameter numbers: these only, where given
  package static func list(
    _ numbers: [UInt64]? = nil, limit: Int, on session: some PostgresSession
  ) async throws -> [RevocationSummary] {
    let asked = numbers.map { $0.map { Int64(clamping: $0) } }
    let rows = try await session.query(
      """
      SELECT number, keys.public_id, coalesce(own.name, teams.name) AS team, revocations.version, key_count, confirmed,
        made_at, (SELECT count(*) FROM edges WHERE evicted_at IS NULL) AS edges
      FROM revocations
      LEFT JOIN keys ON keys.id = key_id LEFT JOIN teams AS own ON own.id = keys.team_id
      LEFT JOIN teams ON teams.id = revocations.team_id
      WHERE $1::bigint[] IS NULL OR number = ANY ($1) ORDER BY number DESC LIMIT $2
      """, asked, limit)
    var missing = try await missing(try rows.map { try $0.unsigned("number") }, on: session)
    return try rows.map { row in
      let number = try row.unsigned("number")
      let missing = missing.removeValue(forKey: number) ?? []
      let edges: Int64 = try row.get("edges")
      return RevocationSummary(
        number: number, keyPublicID: try row.get("public_id"), team: try row.get("team"),
        version: try row.unsigned("version"), keys: Int(try row.get("key_count", as: Int64.self)),
        confirmed: try row.get("confirmed"), madeAt: try row.time("made_at"), edges: Int(edges),
        inForce: Int(edges) - missing.count, missing: Array(missing.prefix(shownGaps)))
    }
  }

  /// The last revocation of each of these keys, or of the team.
  package static func numbers(
    ofKeys keys: [KeyID], team: TeamID?, on session: some PostgresSession
  ) async throws -> [UInt64] {
    try await session.query(
      """
      SELECT max(number) AS number FROM revocations WHERE key_id = ANY ($1) OR team_id = $2 GROUP BY key_id, team_id
      """, keys, team
    ).map { try $0.unsigned("number") }
  }

  /// The edges that neither said that they have it nor have a configuration that holds it.
  private static func missing(
    _ numbers: [UInt64], on session: some PostgresSession
  ) async throws -> [UInt64: [RevocationGap]] {
    let rows = try await session.query(
      """
      SELECT revocations.number, edges.id, edges.region, reason,
        edges.stream_id IS NOT NULL AND edges.last_seen_at > now() - interval '20 seconds' AS connected
      FROM revocations JOIN edges ON edges.evicted_at IS NULL AND edges.version < revocations.version
      LEFT JOIN revocation_watchers AS watcher ON watcher.edge_id = edges.id
      LEFT JOIN revocation_refusals AS refusal ON refusal.edge_id = edges.id AND refusal.number = revocations.number
      WHERE revocations.number = ANY ($1)
        AND (reason IS NOT NULL OR coalesce(watcher.number, 0) < revocations.number)
      ORDER BY reason IS NULL AND edges.stream_id IS NOT NULL DESC, edges.region, edges.id
      """, numbers.map { Int64(clamping: $0) })
    return try Dictionary(grouping: rows, by: { try $0.unsigned("number") }).mapValues { rows in
      try rows.map { row in
        RevocationGap(
          edge: try row.get("id", as: EdgeID.self).description, region: try row.get("region"),
          connected: try row.get("connected"), refusal: try row.get("reason"))
      }
    }
  }
}
