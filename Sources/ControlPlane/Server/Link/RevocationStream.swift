// One edge's revocations: a writer that sends what it lacks, and a reader that writes down what it says.

import GRPCCore
import Logging
import Postgres
import StraitProtocol
import Synchronization

final class RevocationStream: Sendable {
  typealias Statuses = RPCAsyncSequence<WireRevocationStatus, any Error>

  private let edge: EdgeID
  private let pool: PostgresPool
  private let publisher: RevocationPublisher
  private let logger: Logger
  /// The last that was sent; nothing before the edge has said hello.
  private let sent = Mutex<UInt64?>(nil)

  init(edge: EdgeID, pool: PostgresPool, publisher: RevocationPublisher, logger: Logger) {
    self.edge = edge
    self.pool = pool
    self.publisher = publisher
    var logger = logger
    logger[metadataKey: "edge"] = "\(edge)"
    self.logger = logger
  }

  /// Runs until the edge leaves or the publisher stops.
  func run(_ statuses: Statuses, _ response: RPCWriter<WireRevocation>) async throws {
    let (watcher, signals) = await publisher.watch()
    let (wakes, wake) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    do {
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await self.write(on: wakes, to: response) }
        group.addTask { for await _ in signals { wake.yield() } }
        group.addTask { try await self.read(statuses, wake: wake) }
        // Whichever side ends first ends the stream.
        try await group.next()
        group.cancelAll()
      }
    } catch {
      await publisher.unwatch(watcher)
      throw error
    }
    await publisher.unwatch(watcher)
  }

  // MARK: Down

  private func write(on wakes: AsyncStream<Void>, to response: RPCWriter<WireRevocation>) async throws {
    var isReturning = true
    for await _ in wakes {
      while let from = sent.withLock({ $0 }) {
        let page = try await publisher.next(after: from)
        guard let last = page.last else {
          isReturning = false
          break
        }
        let due = isReturning ? try await publisher.standing(page) : page
        for revocation in due { try await response.write(revocation) }
        sent.withLock { $0 = last.number }
      }
    }
  }

  // MARK: Up

  private func read(_ statuses: Statuses, wake: AsyncStream<Void>.Continuation) async throws {
    for try await status in statuses {
      let greeted = sent.withLock { $0 != nil }
      switch status.event {
      case .hello(let hello) where !greeted:
        let start = try await publisher.start(from: hello.number, of: Array(hello.lineage))
        try await publisher.acknowledge(start, by: edge)
        sent.withLock { $0 = start }
        logger.info("edge watches revocations", metadata: ["behind": "\(start)"])
        wake.yield()
      case .acknowledgement(let acknowledgement) where greeted:
        try await publisher.acknowledge(acknowledgement.number, by: edge)
      case .refusal(let refusal) where greeted:
        try await refuse(refusal)
      default:
        throw Refusal.invalid("a hello comes first and once, and this message is not what is due")
      }
    }
  }

  private func refuse(_ refusal: WireRevocationRefusal) async throws {
    let reason = EdgeText.shown(refusal.reason)
    logger.error(
      "edge refused a revocation", metadata: ["number": "\(refusal.number)", "reason": "\(reason)"])
    try await RevocationStore.refuse(refusal.number, because: reason, by: edge, on: pool)
  }
}
