// Edges: who was let in, and what was last heard of each.

import AdminAPI
import Postgres
import StraitProtocol

package enum EdgeStore {
  package struct Row: Sendable {
    package let identity: EdgeIdentity
    package let baseURL: String
    package let softwareVersion: String
    package let certificateExpiresAt: Moment
  }

  package static func insertOrUpdate(_ edge: Row, on session: PostgresTransaction) async throws {
    try await session.query(
      """
      INSERT INTO edges (id, region, base_url, software_version, certificate_expires_at) VALUES ($1, $2, $3, $4, $5)
      ON CONFLICT (id) DO UPDATE SET base_url = excluded.base_url, software_version = excluded.software_version,
        certificate_expires_at = excluded.certificate_expires_at
      """,
      edge.identity.edge, edge.identity.region.text, edge.baseURL, edge.softwareVersion,
      edge.certificateExpiresAt.stored)
  }

  package static func renew(
    _ edge: EdgeID, softwareVersion: String, certificateExpiresAt: Moment, on session: PostgresTransaction
  ) async throws {
    try await session.query(
      "UPDATE edges SET software_version = $2, certificate_expires_at = $3 WHERE id = $1",
      edge, softwareVersion, certificateExpiresAt.stored)
  }

  /// Whether the edge was enrolled for that region and not evicted since.
  package static func standing(of identity: EdgeIdentity, on session: some PostgresSession) async throws
    -> EdgeStanding
  {
    try await standings(of: [identity], on: session)[0]
  }

  /// The same of many edges, in their order.
  package static func standings(
    of identities: [EdgeIdentity], on session: some PostgresSession
  ) async throws -> [EdgeStanding] {
    let rows = try await session.query(
      "SELECT id, region, evicted_at IS NOT NULL AS evicted FROM edges WHERE id = ANY ($1)",
      identities.map(\.edge))
    var known: [EdgeID: (region: String, isEvicted: Bool)] = [:]
    for row in rows { known[try row.get("id")] = (try row.get("region"), try row.get("evicted")) }
    return identities.map { identity in
      guard let edge = known[identity.edge], edge.region == identity.region.text else { return .unknown }
      return edge.isEvicted ? .evicted : .admitted
    }
  }

  /// Replicas hear of evictions here; the payload is the edge's id.
  package static let evictionChannel: StaticString = "strait_evictions"

  /// - Returns: whether it was in the fleet until now
  package static func evict(_ edge: EdgeID, on session: PostgresTransaction) async throws -> Bool {
    let evicted =
      try await session.execute(
        "UPDATE edges SET evicted_at = now() WHERE id = $1 AND evicted_at IS NULL", edge) == 1
    if evicted {
      try await session.query("SELECT pg_notify('strait_evictions', $1::uuid::text)", edge)
    }
    return evicted
  }

  package static func evicted(
    among edges: [EdgeID], on session: some PostgresSession
  ) async throws -> [EdgeID] {
    try await session.query("SELECT id FROM edges WHERE evicted_at IS NOT NULL AND id = ANY ($1)", edges)
      .map { try $0.get("id") }
  }

  /// What an edge refused while it ran a version.
  package struct Refused: Sendable, Equatable {
    package let version: UInt64
    package let reason: String?
  }

  /// A stream took over from whichever held the edge before.
  /// - Returns: what the edge refused before, where it runs still what it ran then: it need not be sent that again, and
  ///   would not repeat its refusal
  package static func beginStream(
    _ stream: PostgresUUID, edge: EdgeID, holding version: UInt64, softwareVersion: String, baseURL: String,
    on session: some PostgresSession
  ) async throws -> Refused? {
    let rows = try await session.query(
      """
      UPDATE edges SET stream_id = $2, stream_began_at = now(), last_seen_at = now(), software_version = $3,
        base_url = CASE WHEN $4 = '' THEN base_url ELSE $4 END
      WHERE id = $1 RETURNING version, refused_version, refusal
      """, edge, stream, softwareVersion, baseURL)
    guard let row = rows.first, try row.unsigned("version") == version,
      let refused = try row.get("refused_version", as: Int64?.self)
    else { return nil }
    return Refused(version: UInt64(clamping: refused), reason: try row.get("refusal"))
  }

  package struct Report: Sendable, Equatable {
    package var version: UInt64 = 0
    package var refusedVersion: UInt64?
    package var refusal: String?
    package var spooledRecords: UInt64 = 0
    package var lostRecords: UInt64 = 0
    /// Of the certificate that the edge speaks with; nil from one that does not say.
    package var certificateExpiresAt: Moment?
    package var exchanges = ExchangeCounts()
    /// Whether the counts came since the last time they were stored.
    package var hasNewCounts = false
    /// Whether the counts are of the moment before the version came into force, and that is not stored yet.
    package var beginsVersion = false

    package init() {}

    /// An acknowledgement's counts are of the moment before the version came into force: a report may have crossed them.
    package mutating func take(_ counts: ExchangeCounts) {
      exchanges = ExchangeCounts(
        ended: max(exchanges.ended, counts.ended), failed: max(exchanges.failed, counts.failed))
      hasNewCounts = true
    }
  }

  /// - Returns: whether the edge still stands and this stream is the one that holds it
  package static func store(
    _ report: Report, stream: PostgresUUID, edge: EdgeID, on session: some PostgresSession
  ) async throws -> Bool {
    // Before it is known to have the version, and is judged by its counts.
    if report.beginsVersion {
      try await RolloutStore.watch(edge, taking: report.version, from: report.exchanges, on: session)
    }
    return try await session.execute(
      """
      UPDATE edges SET last_seen_at = now(), version = $3, refusal = $4, spooled_records = $5, lost_records = $6,
        refused_version = $7, certificate_expires_at = coalesce($11, certificate_expires_at),
        acknowledged_at = CASE WHEN version = $3 AND acknowledged_at IS NOT NULL THEN acknowledged_at ELSE now() END,
        ended_exchanges = CASE WHEN $10 THEN $8 ELSE ended_exchanges END,
        failed_exchanges = CASE WHEN $10 THEN $9 ELSE failed_exchanges END,
        reported_at = CASE WHEN $10 THEN now() ELSE reported_at END,
        earlier_ended_exchanges = CASE WHEN earlier_at > now() - interval '1 minute' THEN earlier_ended_exchanges
          ELSE ended_exchanges END,
        earlier_failed_exchanges = CASE WHEN earlier_at > now() - interval '1 minute' THEN earlier_failed_exchanges
          ELSE failed_exchanges END,
        earlier_at = CASE WHEN earlier_at > now() - interval '1 minute' THEN earlier_at ELSE now() END
      WHERE id = $1 AND stream_id = $2 AND evicted_at IS NULL
      """,
      edge, stream, Int64(clamping: report.version), report.refusal, Int64(clamping: report.spooledRecords),
      Int64(clamping: report.lostRecords), report.refusedVersion.map { Int64(clamping: $0) },
      Int64(clamping: report.exchanges.ended), Int64(clamping: report.exchanges.failed), report.hasNewCounts,
      report.certificateExpiresAt?.stored) == 1
  }

  /// Has no effect where another stream holds the edge by now.
  package static func endStreams(
    _ ended: [(stream: PostgresUUID, edge: EdgeID)], on session: some PostgresSession
  ) async throws {
    // In one order, so that two replicas that write of the same edges do not wait for each other.
    let ordered = ended.sorted { $0.edge < $1.edge }
    try await session.query(
      """
      UPDATE edges SET stream_id = NULL, last_seen_at = now()
      FROM unnest($1::uuid[], $2::uuid[]) AS ended (edge, stream) WHERE id = edge AND stream_id = stream
      """, ordered.map(\.edge), ordered.map(\.stream))
  }
}
