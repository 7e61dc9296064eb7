// Usage records as they come in: the watermark of each edge's epoch, the records, the losses and the unreadable.

import Postgres
import StraitProtocol

/// One edge's life between two starts of its counter.
package struct UsageEpoch: Hashable, Sendable {
  package let edge: EdgeID
  package let epoch: UInt64

  package init(edge: EdgeID, epoch: UInt64) {
    self.edge = edge
    self.epoch = epoch
  }

  fileprivate var stored: Int64 { Int64(bitPattern: epoch) }
}

package enum UsageStore {
  /// Reads how far the epoch has come and keeps every other batch of it waiting until this transaction has ended.
  package static func lockWatermark(of epoch: UsageEpoch, on session: PostgresTransaction) async throws
    -> Int64
  {
    try await session.query(
      "INSERT INTO usage_watermarks (edge_id, epoch, sequence) VALUES ($1, $2, 0) ON CONFLICT DO NOTHING",
      epoch.edge, epoch.stored)
    return try await session.query(
      "SELECT sequence FROM usage_watermarks WHERE edge_id = $1 AND epoch = $2 FOR UPDATE", epoch.edge,
      epoch.stored
    ).single().get("sequence")
  }

  package static func setWatermark(
    _ sequence: Int64, of epoch: UsageEpoch, on session: PostgresTransaction
  ) async throws {
    try await session.query(
      "UPDATE usage_watermarks SET sequence = $3, updated_at = now() WHERE edge_id = $1 AND epoch = $2",
      epoch.edge, epoch.stored, sequence)
  }

  package static func losses(
    of epoch: UsageEpoch, on session: some PostgresSession
  ) async throws -> [ClosedRange<Int64>] {
    try await session.query(
      """
      SELECT first_sequence, last_sequence FROM usage_losses WHERE edge_id = $1 AND epoch = $2
      ORDER BY first_sequence
      """, epoch.edge, epoch.stored
    ).map { row in
      let first: Int64 = try row.get("first_sequence")
      return first...max(first, try row.get("last_sequence"))
    }
  }

  package static func insertLoss(
    _ range: ClosedRange<Int64>, of epoch: UsageEpoch, on session: PostgresTransaction
  ) async throws {
    try await session.query(
      "INSERT INTO usage_losses (edge_id, epoch, first_sequence, last_sequence) VALUES ($1, $2, $3, $4)",
      epoch.edge, epoch.stored, range.lowerBound, range.upperBound)
  }

  package static func removeLoss(
    beginningAt first: Int64, of epoch: UsageEpoch, on session: PostgresTransaction
  ) async throws {
    try await session.query(
      "DELETE FROM usage_losses WHERE edge_id = $1 AND epoch = $2 AND first_sequence = $3",
      epoch.edge, epoch.stored, first)
  }

  package static func insertRejected(
    _ record: UnreadableRecord, of epoch: UsageEpoch, on session: PostgresTransaction
  ) async throws {
    try await session.query(
      """
      INSERT INTO usage_rejected (edge_id, epoch, sequence, reason, numbers) VALUES ($1, $2, $3, $4, $5::jsonb)
      ON CONFLICT DO NOTHING
      """, epoch.edge, epoch.stored, record.sequence, record.reason, record.numbers)
  }

  /// A copy of a record that is there already changes nothing.
  /// - Returns: how many were new
  package static func insert(
    _ records: [PricedRecord], of epoch: UsageEpoch, on session: PostgresTransaction
  ) async throws -> Int {
    guard !records.isEmpty else { return 0 }
    let usage = records.map(\.record)
    let columns: [any PostgresEncodable] = [
      epoch.edge, epoch.stored,
      records.map { PostgresTimestamp(microseconds: $0.record.startedAt) }, records.map(\.sequence),
      usage.map(\.id),
      usage.map(\.teamID), usage.map(\.keyID), usage.map(\.offerID), usage.map(\.upstreamID),
      usage.map { Int64(clamping: $0.durationMicroseconds) },
      usage.map { Int64(clamping: $0.firstByteMicroseconds) },
      usage.map { Int32($0.endpoint.rawValue) }, usage.map { Int32($0.dialect.rawValue) },
      usage.map { Int32($0.clientProtocol.rawValue) }, usage.map(\.streamed), usage.map { Int32($0.status) },
      usage.map { Int32($0.upstreamStatus) }, usage.map { Int32($0.outcome.rawValue) },
      usage.map { Int32($0.attempts) }, usage.map { Int32($0.tokens.source.rawValue) },
      usage.map { Int64(clamping: $0.tokens.input) }, usage.map { Int64(clamping: $0.tokens.cachedInput) },
      usage.map { Int64(clamping: $0.tokens.cacheWrite) }, usage.map { Int64(clamping: $0.tokens.output) },
      usage.map { Int64(clamping: $0.tokens.reasoning) }, usage.map { Int64(clamping: $0.requestBytes) },
      usage.map { Int64(clamping: $0.responseBytes) }, records.map(\.cost.amount),
    ]
    return try await session.query(insertion, parameters: columns).affectedCount
  }

  private static let insertion: Statement = """
    INSERT INTO usage_records (
      edge_id, epoch, started_at, sequence, id, team_id, key_id, offer_id, upstream_id, duration_microseconds,
      first_byte_microseconds, endpoint, dialect, client_protocol, streamed, status, upstream_status, outcome,
      attempts, usage_source, input_tokens, cached_input_tokens, cache_write_tokens, output_tokens, reasoning_tokens,
      request_bytes, response_bytes, cost_nano_usd)
    SELECT $1::uuid, $2::bigint, batch.* FROM unnest(
      $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25,
      $26, $27, $28) AS batch
    ON CONFLICT DO NOTHING
    """
}
