// The public keys that certificates were given for, by digest: which edge holds which.

import Postgres
import StraitProtocol

package enum EdgeKeyStore {
  /// The edge that a key was certified for.
  package struct Holder: Sendable {
    package let identity: EdgeIdentity
    package let isEvicted: Bool
  }

  package static func holder(of key: Digest, on session: PostgresTransaction) async throws -> Holder? {
    try await session.query(
      """
      SELECT edges.id, region, evicted_at IS NOT NULL AS evicted
      FROM edge_keys JOIN edges ON edges.id = edge_id WHERE digest = $1
      """, key.bytes
    ).first.map { row in
      Holder(
        identity: EdgeIdentity(
          edge: try row.get("id"), region: try ResourceName(try row.get("region"), of: "region")),
        isEvicted: try row.get("evicted"))
    }
  }

  /// - Returns: whether the key is that edge's now; not where it is another's
  package static func insert(_ key: Digest, of edge: EdgeID, on session: PostgresTransaction) async throws
    -> Bool
  {
    try await session.query(
      "INSERT INTO edge_keys (digest, edge_id) VALUES ($1, $2) ON CONFLICT DO NOTHING", key.bytes, edge)
    return try await session.query(
      "SELECT FROM edge_keys WHERE digest = $1 AND edge_id = $2", key.bytes, edge
    ).count == 1
  }
}
