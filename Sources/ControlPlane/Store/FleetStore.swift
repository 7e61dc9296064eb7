// The fleet as operators see it.

import AdminAPI
import Postgres
import StraitProtocol

package enum FleetStore {
  /// The edges of the fleet. Evicted ones are no part of it.
  package static func list(on session: some PostgresSession) async throws -> [EdgeSummary] {
    try await session.query(listing, nil as EdgeID?).map(summary)
  }

  /// One edge, evicted or not.
  package static func find(_ edge: EdgeID, on session: some PostgresSession) async throws -> EdgeSummary? {
    try await session.query(listing, edge).first.map(summary)
  }

  /// An edge whose replica died leaves its stream in the row; it counts as gone when nothing was heard for a while.
  private static let listing: Statement = """
    SELECT id, region, base_url, software_version, enrolled_at, last_seen_at, certificate_expires_at, edges.version,
      refusal, refused_version, spooled_records, lost_records, evicted_at, state.version AS newest_version,
      floor(extract(epoch FROM now() - last_seen_at))::bigint AS silent_seconds,
      coalesce(floor(extract(epoch FROM now() - (
        SELECT made_at FROM configuration_versions AS made WHERE made.version > edges.version
        ORDER BY made.version LIMIT 1)))::bigint, 0) AS lag_seconds,
      evicted_at IS NULL AND stream_id IS NOT NULL AND last_seen_at > now() - interval '20 seconds' AS connected
    FROM edges CROSS JOIN configuration_state AS state
    WHERE CASE WHEN $1::uuid IS NULL THEN evicted_at IS NULL ELSE id = $1 END
    ORDER BY region, enrolled_at, id
    """

  private static func summary(_ row: PostgresRow) throws -> EdgeSummary {
    EdgeSummary(
      id: try row.get("id", as: EdgeID.self).description, region: try row.get("region"),
      baseURL: try row.get("base_url"), softwareVersion: try row.get("software_version"),
      connected: try row.get("connected"), enrolledAt: try row.time("enrolled_at"),
      lastSeenAt: try row.optionalTime("last_seen_at"), version: try row.unsigned("version"),
      newestVersion: try row.unsigned("newest_version"), refusal: try row.get("refusal"),
      spooledRecords: try row.unsigned("spooled_records"), lostRecords: try row.unsigned("lost_records"),
      certificateExpiresAt: try row.time("certificate_expires_at"),
      evictedAt: try row.optionalTime("evicted_at"),
      silentSeconds: try row.get("silent_seconds", as: Int64?.self).map { Int(max(0, $0)) },
      lagSeconds: Int(try row.unsigned("lag_seconds")),
      refusedVersion: try row.get("refused_version", as: Int64?.self).map { UInt64(clamping: $0) })
  }
}
