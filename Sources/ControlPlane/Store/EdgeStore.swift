// Edges: who was let in, and what was last heard of each.

import AdminAPI
import Postgres
import StraitProtocol

package enum EdgeStore {
  package struct NewRow: Sendable {
    package let identity: EdgeIdentity
    package let baseURL: String
    package let softwareVersion: String
    package let certificateExpiresAt: Moment
  }

  package static func insert(_ edge: NewRow, on session: some PostgresSession) async throws {
    try await session.query(
      """
      INSERT INTO edges (id, region, base_url, software_version, certificate_expires_at) VALUES ($1, $2, $3, $4, $5)
      """,
      edge.identity.edge, edge.identity.region.text, edge.baseURL, edge.softwareVersion,
      edge.certificateExpiresAt.stored)
  }

  /// Whether the edge was enrolled for that region and not evicted since.
  package static func isAdmitted(_ identity: EdgeIdentity, on session: some PostgresSession) async throws
    -> Bool
  {
    try await session.query(
      "SELECT FROM edges WHERE id = $1 AND region = $2 AND evicted_at IS NULL",
      identity.edge, identity.region.text
    ).count == 1
  }

  /// A stream took over from whichever held the edge before.
  package static func beginStream(
    _ stream: PostgresUUID, edge: EdgeID, softwareVersion: String, baseURL: String,
    on session: some PostgresSession
  ) async throws {
    try await session.query(
      """
      UPDATE edges SET stream_id = $2, last_seen_at = now(), software_version = $3,
        base_url = CASE WHEN $4 = '' THEN base_url ELSE $4 END
      WHERE id = $1
      """, edge, stream, softwareVersion, baseURL)
  }

  package struct Report: Sendable, Equatable {
    package var version: UInt64 = 0
    package var refusal: String?
    package var spooledRecords: UInt64 = 0
    package var lostRecords: UInt64 = 0

    package init() {}
  }

  /// - Returns: whether the edge still stands and this stream is the one that holds it
  package static func store(
    _ report: Report, stream: PostgresUUID, edge: EdgeID, on session: some PostgresSession
  ) async throws -> Bool {
    try await session.execute(
      """
      UPDATE edges SET last_seen_at = now(), version = $3, refusal = $4, spooled_records = $5, lost_records = $6
      WHERE id = $1 AND stream_id = $2 AND evicted_at IS NULL
      """,
      edge, stream, Int64(clamping: report.version), report.refusal, Int64(clamping: report.spooledRecords),
      Int64(clamping: report.lostRecords)) == 1
  }

  /// Has no effect where another stream holds the edge by now.
  package static func endStream(
    _ stream: PostgresUUID, edge: EdgeID, on session: some PostgresSession
  ) async throws {
    try await session.query(
      "UPDATE edges SET stream_id = NULL, last_seen_at = now() WHERE id = $1 AND stream_id = $2", edge, stream
    )
  }

  /// An edge whose replica died leaves its stream in the row; it counts as gone when nothing was heard for a while.
  package static func list(on session: some PostgresSession) async throws -> [EdgeSummary] {
    try await session.query(
      """
      SELECT id, region, base_url, software_version, enrolled_at, last_seen_at, certificate_expires_at, edges.version,
        refusal, spooled_records, lost_records, state.version AS newest_version,
        stream_id IS NOT NULL AND last_seen_at > now() - interval '20 seconds' AS connected
      FROM edges CROSS JOIN configuration_state AS state
      WHERE evicted_at IS NULL ORDER BY region, enrolled_at, id
      """
    ).map { row in
      EdgeSummary(
        id: try row.get("id", as: EdgeID.self).description, region: try row.get("region"),
        baseURL: try row.get("base_url"), softwareVersion: try row.get("software_version"),
        connected: try row.get("connected"), enrolledAt: try row.time("enrolled_at"),
        lastSeenAt: try row.optionalTime("last_seen_at"), version: try row.unsigned("version"),
        newestVersion: try row.unsigned("newest_version"), refusal: try row.get("refusal"),
        spooledRecords: try row.unsigned("spooled_records"), lostRecords: try row.unsigned("lost_records"),
        certificateExpiresAt: try row.time("certificate_expires_at"))
    }
  }
}
