// Keys: who they belong to and their digests. The keys themselves are never stored.

import AdminAPI
import Postgres
import StraitProtocol

package enum KeyStore {
  package struct NewRow: Sendable {
    package let id: KeyID
    package let team: TeamID
    package let publicID: String
    package let digest: Digest
    package let name: Label
    package let expiresAt: Moment?
  }

  package static func insert(_ key: NewRow, on session: some PostgresSession) async throws {
    try await session.query(
      "INSERT INTO keys (id, team_id, public_id, digest, name, expires_at) VALUES ($1, $2, $3, $4, $5, $6)",
      key.id, key.team, key.publicID, key.digest.bytes, key.name.text, key.expiresAt?.stored)
  }

  package static func list(team: TeamID?, on session: some PostgresSession) async throws -> [KeySummary] {
    try await session.query(
      """
      SELECT keys.id, keys.public_id, teams.name AS team, keys.name, keys.created_at, keys.expires_at, keys.revoked_at
      FROM keys JOIN teams ON teams.id = keys.team_id
      WHERE $1::uuid IS NULL OR keys.team_id = $1 ORDER BY keys.created_at DESC, keys.id DESC
      """, team
    ).map(summary)
  }

  package static func find(_ id: KeyID, on session: some PostgresSession) async throws -> KeySummary? {
    try await session.query(
      """
      SELECT keys.id, keys.public_id, teams.name AS team, keys.name, keys.created_at, keys.expires_at, keys.revoked_at
      FROM keys JOIN teams ON teams.id = keys.team_id WHERE keys.id = $1
      """, id
    ).first.map(summary)
  }

  package static func withPublicID(_ publicID: String, on session: some PostgresSession) async throws
    -> KeyID?
  {
    try await session.query("SELECT id FROM keys WHERE public_id = $1", publicID).first?.get("id")
  }

  /// Ends keys for good.
  /// - Returns: those that were not revoked before, and whether each was good until now
  package static func revoke(
    _ ids: [KeyID], on session: some PostgresSession
  ) async throws -> [(id: KeyID, wasGood: Bool)] {
    try await session.query(
      """
      UPDATE keys SET revoked_at = now() FROM teams
      WHERE keys.id = ANY ($1) AND revoked_at IS NULL AND teams.id = team_id
      RETURNING keys.id, (expires_at IS NULL OR expires_at > now()) AND NOT suspended AS was_good
      """, ids
    ).map { (try $0.get("id"), try $0.get("was_good")) }
  }

  /// - Returns: those that were not revoked before
  package static func revoke(allOf team: TeamID, on session: some PostgresSession) async throws -> [KeyID] {
    try await session.query(
      "UPDATE keys SET revoked_at = now() WHERE team_id = $1 AND revoked_at IS NULL RETURNING id", team
    ).map { try $0.get("id") }
  }

  /// Keys that an edge would accept; counting stops at `limit`, so that a small question about many keys is cheap.
  package static func countGood(
    team: TeamID? = nil, limit: Int, on session: some PostgresSession
  ) async throws -> Int {
    let count: Int64 = try await session.query(
      """
      SELECT count(*) FROM (
        SELECT FROM keys JOIN teams ON teams.id = team_id
        WHERE ($1::uuid IS NULL OR team_id = $1)
          AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now()) AND NOT suspended
        LIMIT $2
      ) AS good
      """, team, limit
    ).single().get("count")
    return Int(count)
  }

  private static func summary(_ row: PostgresRow) throws -> KeySummary {
    KeySummary(
      id: try row.get("id", as: KeyID.self).description, publicID: try row.get("public_id"),
      team: try row.get("team"),
      name: try row.get("name"), createdAt: try row.time("created_at"),
      expiresAt: try row.optionalTime("expires_at"),
      revokedAt: try row.optionalTime("revoked_at"))
  }
}
