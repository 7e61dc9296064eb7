// Usage records from edges: each stored once, whatever is sent again, in whatever order.

import Logging
import Postgres
import StraitProtocol

package struct UsageIngestService: Sendable {
  let pool: PostgresPool
  let logger: Logger

  package static let maximumRecords = 10_000

  package init(pool: PostgresPool, logger: Logger) {
    self.pool = pool
    self.logger = logger
  }

  /// Stores a batch in one transaction with the epoch's watermark and its losses.
  /// - Returns: the watermark: everything up to it is committed or known to be lost. It is below what the edge was told
  ///   before where commits are gone, and then nothing of the batch was taken.
  package func ingest(_ batch: WireUsageBatch, from identity: EdgeIdentity) async throws -> UInt64 {
    let epoch = UsageEpoch(edge: identity.edge, epoch: batch.epoch)
    let numbered = try NumberedBatch(batch, now: .now)
    try await UsagePartitionStore.ensure(days: numbered.days, on: pool)
    return try await pool.transaction { transaction in
      try await EdgeStore.standing(of: identity, on: transaction).requireAdmitted()
      let watermark = try await UsageStore.lockWatermark(of: epoch, on: transaction)
      if batch.acknowledgedSequence > UInt64(clamping: watermark) {
        // A failover or a backup has taken commits back. What the edge still keeps comes again before any of it counts as
        // lost.
        logger.warning(
          "commits of usage records are gone; the edge is to send again",
          metadata: [
            "edge": "\(epoch.edge)", "records": "\(batch.acknowledgedSequence - UInt64(clamping: watermark))",
          ])
        return UInt64(clamping: watermark)
      }
      let losses = try await UsageStore.losses(of: epoch, on: transaction)
      let admission = BatchAdmission(
        watermark: watermark, losses: losses, first: numbered.first, count: Int64(numbered.readings.count))
      try await store(numbered, admission, of: epoch, on: transaction)
      return UInt64(clamping: admission.watermark)
    }
  }

  private func store(
    _ batch: NumberedBatch, _ admission: BatchAdmission, of epoch: UsageEpoch,
    on transaction: PostgresTransaction
  ) async throws {
    let prices = try await OfferStore.prices(of: batch.offers, on: transaction)
    var priced: [PricedRecord] = []
    for (index, reading) in batch.readings.enumerated() where admission.takes(batch.first + Int64(index)) {
      switch reading {
      case .readable(let record):
        let started = Moment(microseconds: record.startedAt)
        let cost = prices[record.offerID]?.prices(at: started)?.cost(of: record.tokens) ?? NanoUSD(0)
        priced.append(PricedRecord(sequence: batch.first + Int64(index), record: record, cost: cost))
      case .unreadable(let record):
        logger.error(
          "usage record rejected", metadata: ["edge": "\(epoch.edge)", "reason": "\(record.reason)"])
        try await UsageStore.insertRejected(record, of: epoch, on: transaction)
      }
    }
    _ = try await UsageStore.insert(priced, of: epoch, on: transaction)
    for range in admission.closedLosses {
      try await UsageStore.removeLoss(beginningAt: range.lowerBound, of: epoch, on: transaction)
    }
    for range in admission.openedLosses {
      try await UsageStore.insertLoss(range, of: epoch, on: transaction)
    }
    if let gap = admission.gap {
      logger.error("usage records lost", metadata: ["edge": "\(epoch.edge)", "records": "\(gap.count)"])
    }
    try await UsageStore.setWatermark(admission.watermark, of: epoch, on: transaction)
  }
}

/// A batch whose records have been read and numbered.
struct NumberedBatch: Sendable {
  let first: Int64
  let readings: [UsageReading]

  init(_ batch: WireUsageBatch, now: Moment) throws(Refusal) {
    guard batch.records.count <= UsageIngestService.maximumRecords else {
      throw Refusal(
        .tooLarge,
        "the batch has \(batch.records.count) records, more than \(UsageIngestService.maximumRecords)")
    }
    guard batch.firstSequence > 0, batch.firstSequence < UInt64(Int64.max) - UInt64(batch.records.count)
    else {
      throw .invalid("the batch's first sequence number is out of range", hint: "numbers begin at 1")
    }
    let first = Int64(batch.firstSequence)
    self.first = first
    readings = batch.records.enumerated().map { index, record in
      UsageReading(record, sequence: first + Int64(index), now: now)
    }
  }

  private var records: [UsageRecord] {
    readings.compactMap { if case .readable(let record) = $0 { record } else { nil } }
  }

  var days: Set<Int64> { Set(records.map { Moment(microseconds: $0.startedAt).day }) }
  var offers: [OfferID] { Array(Set(records.map(\.offerID))) }
}
