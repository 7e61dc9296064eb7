// Sends what the spool holds, a batch at a time, and notes what the control plane has committed.

import GRPCCore
import GRPCNIOTransportHTTP2
import Logging
import StraitControlLink
import StraitProtocol

/// Owned by one task.
struct UsageShipper {
  private let link: ControlLink
  private let limits: UplinkLimits
  private let spool: UsageSpool
  private let logger: Logger
  private var reader: SpoolReader
  private var backoff: Backoff
  private var highestSent: [UInt64: UInt64] = [:]

  init(link: ControlLink, limits: UplinkLimits, spool: UsageSpool, logger: Logger) {
    self.link = link
    self.limits = limits
    self.spool = spool
    self.logger = logger
    reader = SpoolReader(spool)
    backoff = Backoff(limits)
  }

  /// Ships until the task is cancelled.
  mutating func run() async {
    while !Task.isCancelled {
      do {
        try await link.withClient { client in try await ship(WireUsage.Client(wrapping: client)) }
      } catch {
        if Task.isCancelled { return }
        logger.warning(
          "usage records wait in the spool",
          metadata: ["waiting": "\(spool.depth)", "reason": "\(linkFailure(error))"])
        await backoff.pause()
      }
    }
  }

  /// Ships batch after batch, one at a time, while the connection holds.
  private mutating func ship(_ client: WireUsage.Client<HTTP2ClientTransport.Posix>) async throws {
    var options = CallOptions.defaults
    options.timeout = .seconds(limits.shipSeconds)
    while !Task.isCancelled {
      guard let batch = reader.next() else {
        await spool.arrivals.wait()
        continue
      }
      highestSent[batch.epoch] = max(highestSent[batch.epoch] ?? 0, batch.lastSequence)
      do {
        let acknowledged = spool.watermark(of: batch.epoch)
        let answer = try await client.ship(
          WireUsageBatch(batch, acknowledged: acknowledged), options: options)
        try await settle(batch, answer)
      } catch {
        reader.move(to: SpoolPosition(epoch: batch.epoch, sequence: batch.firstSequence - 1))
        throw error
      }
      if batch.records.count < limits.fullBatchRecords {
        try await Task.sleep(for: .milliseconds(limits.shortBatchPauseMilliseconds))
      }
    }
  }

  private mutating func settle(_ batch: SpoolBatch, _ answer: WireUsageWatermark) async throws {
    guard answer.epoch == batch.epoch else { throw DisbelievedAnswer() }
    let shipment = Shipment(
      batch: batch.firstSequence...batch.lastSequence, watermark: spool.watermark(of: batch.epoch),
      highestSent: highestSent[batch.epoch] ?? 0, formerEnd: spool.formerEnd(of: batch.epoch))
    switch shipment.judge(committed: answer.sequence) {
    case .advance(let sequence):
      acknowledge(batch.epoch, sequence)
      backoff.reset()
    case .sendAgain(let sequence):
      acknowledge(batch.epoch, sequence)
      await backoff.pause()
    case .goBack(let sequence):
      logger.warning(
        "the control plane has lost commits; sending again",
        metadata: ["epoch": "\(batch.epoch)", "from": "\(shipment.watermark)", "to": "\(sequence)"])
      acknowledge(batch.epoch, sequence)
      await backoff.pause()
    case .disbelieve: throw DisbelievedAnswer()
    }
  }

  private mutating func acknowledge(_ epoch: UInt64, _ sequence: UInt64) {
    spool.acknowledge(epoch: epoch, through: sequence)
    reader.move(to: SpoolPosition(epoch: epoch, sequence: sequence))
  }
}

private struct DisbelievedAnswer: Error, CustomStringConvertible {
  var description: String {
    "protocol error: the control plane acknowledged records that it was not sent; nothing is removed"
  }
}
