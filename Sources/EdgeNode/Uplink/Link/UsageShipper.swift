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
      guard let batch = await nextBatch() else { continue }
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

  /// The next batch; nil after a wait for one, or for a disk that does not give it back.
  private mutating func nextBatch() async -> SpoolBatch? {
    do throws(SystemError) {
      if let batch = try reader.next() { return batch }
      await spool.arrivals.wait()
    } catch {
      logger.warning(
        "usage records cannot be read from the spool; they are read again after a pause",
        metadata: ["waiting": "\(spool.depth)", "reason": "\(error)"])
      await backoff.pause()
    }
    return nil
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
      if shipment.watermark == 0, batch.epoch == spool.epoch, spool.keepsFormerEpochs {
        // The first commit of this epoch. Without one, its batches did not show that commits of former epochs were lost,
        // so these are asked about again, which takes a batch each. If they get lost later, so does this commit.
        reader.move(to: .start)
      }
    case .sendAgain(let sequence):
      acknowledge(batch.epoch, sequence)
      await backoff.pause()
    case .goBack(let sequence):
      logger.warning(
        "the control plane has lost commits; sending again all that the spool keeps",
        metadata: ["epoch": "\(batch.epoch)", "from": "\(shipment.watermark)", "to": "\(sequence)"])
      // Those of former epochs may be gone as well, and nothing else would ask for them. A batch that claims nothing is
      // answered with what there is, beyond which the reader goes on, and each record counts once.
      spool.forgetAcknowledgements()
      reader.move(to: .start)
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
