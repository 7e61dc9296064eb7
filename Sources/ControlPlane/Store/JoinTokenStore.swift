// Join tokens: digests, each good for one edge of one region.

import Postgres
import StraitProtocol

package enum JoinTokenStore {
  package static func insert(
    _ digest: Digest, region: ResourceName, expiresAt: Moment, on session: some PostgresSession
  ) async throws {
    try await session.query(
      "INSERT INTO join_tokens (digest, region, expires_at) VALUES ($1, $2, $3)",
      digest.bytes, region.text, expiresAt.stored)
  }

  package struct State: Sendable {
    package let region: String
    package let usedBy: EdgeID?
    package let isExpired: Bool
  }

  /// Reads the token and keeps every other use of it waiting until this transaction has ended.
  package static func lock(_ digest: Digest, on session: PostgresTransaction) async throws -> State? {
    try await session.query(
      """
      SELECT region, used_by, expires_at <= now() AS expired
      FROM join_tokens WHERE digest = $1 FOR UPDATE
      """, digest.bytes
    ).first.map { row in
      State(
        region: try row.get("region"), usedBy: try row.get("used_by"), isExpired: try row.get("expired"))
    }
  }

  package static func markUsed(_ digest: Digest, by edge: EdgeID, on session: PostgresTransaction)
    async throws
  {
    try await session.query(
      "UPDATE join_tokens SET used_at = now(), used_by = $2 WHERE digest = $1", digest.bytes, edge)
  }
}
