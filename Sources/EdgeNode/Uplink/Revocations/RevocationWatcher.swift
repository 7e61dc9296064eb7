// Watches the control plane's revocations over a connection of its own, so that no snapshot stands in their way.

import FoundationEssentials
import GRPCCore
import Logging
import StraitControlLink
import StraitProtocol
import Synchronization

final class RevocationWatcher: Sendable {
  private let link: ControlLink
  private let limits: UplinkLimits
  private let keeper: RevocationKeeper
  private let logger: Logger
  private let cameIntoForce: @Sendable () -> Void
  private let session = Mutex<WatchSession?>(nil)

  /// - Parameter cameIntoForce: more is refused than before
  init(
    link: ControlLink, limits: UplinkLimits, keeper: RevocationKeeper, logger: Logger,
    cameIntoForce: @escaping @Sendable () -> Void = {}
  ) {
    var link = link
    link.lane = .watching
    self.link = link
    self.limits = limits
    self.keeper = keeper
    self.logger = logger
    self.cameIntoForce = cameIntoForce
  }

  /// Watches until the task is cancelled.
  func run() async {
    await withTaskExecutorPreference(LaneExecutor.watching) {
      await withTaskGroup { group in
        group.addTask {
          await self.keeper.run { number in self.session.withLock { $0?.acknowledge(number) } }
        }
        group.addTask { await self.watchAgainAndAgain() }
      }
    }
  }

  private func watchAgainAndAgain() async {
    var backoff = Backoff(limits)
    while !Task.isCancelled {
      let session = WatchSession(queuedStatuses: limits.queuedStatuses)
      self.session.withLock { $0 = session }
      let start = monotonicSeconds()
      var pause: Double?
      do {
        try await watch(session)
        logger.notice("the control plane closed the revocation stream")
      } catch let error as RPCError where error.code == .unimplemented {
        logger.notice("the control plane is older than revocations; they come with the configuration")
        keeper.laneOpened()
        pause = limits.unknownServiceSeconds
      } catch {
        if Task.isCancelled { return }
        logger.warning("no revocation stream", metadata: ["reason": "\(linkFailure(error))"])
      }
      if session.isConnected, monotonicSeconds() - start > limits.steadySeconds { backoff.reset() }
      if let pause {
        do { try await Task.sleep(for: .seconds(pause)) } catch { return }
      } else {
        await backoff.pause()
      }
    }
  }

  private func watch(_ session: WatchSession) async throws {
    keeper.laneClosed()
    let greeting = keeper.greeting
    let hello = WireRevocationStatus.with { status in
      status.hello = .with {
        guard greeting.number > 0 else { return }
        $0.lineage = Data(greeting.lineage.bytes)
        $0.number = greeting.number
      }
    }
    try await link.withClient { client in
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await self.giveUpUnlessConnected(session) }
        group.addTask {
          try await WireRevocations.Client(wrapping: client).watch { writer in
            session.connected()
            try await writer.write(hello)
            self.keeper.laneOpened()
            for await saying in session.sayings { try await writer.write(session.status(of: saying)) }
          } onResponse: { response in
            for try await revocation in response.messages { self.receive(revocation, session) }
          }
          throw WatchEnd.closed
        }
        defer {
          keeper.laneClosed()
          group.cancelAll()
        }
        do {
          while try await group.next() != nil {}
        } catch WatchEnd.closed {}
      }
    }
  }

  private func receive(_ revocation: WireRevocation, _ session: WatchSession) {
    do {
      if try keeper.take(revocation) { cameIntoForce() }
    } catch {
      let reason = "\(error)"
      logger.error(
        "revocation refused", metadata: ["number": "\(revocation.number)", "reason": "\(reason)"])
      session.refuse(revocation.number, reason)
    }
  }

  /// Keepalive watches only over a connection that is there; a handshake that hangs is ended here.
  private func giveUpUnlessConnected(_ session: WatchSession) async throws {
    try await Task.sleep(for: .seconds(limits.connectSeconds))
    guard session.isConnected else { throw WatchEnd.noConnection }
  }
}

private enum WatchEnd: Error, CustomStringConvertible {
  case closed
  case noConnection

  var description: String {
    switch self {
    case .closed: "the stream was closed"
    case .noConnection: "no connection in time"
    }
  }
}

/// One stream's way up. Of acknowledgements that wait only the last counts; a refusal that finds no room ends the stream,
/// so that none is lost.
private final class WatchSession: Sendable {
  enum Saying: Sendable {
    /// The newest number, whatever it is by then.
    case acknowledgement
    case refusal(UInt64, String)
  }

  private struct State {
    var isConnected = false
    var acknowledged: UInt64 = 0
    var hasQueued = false
  }

  let sayings: AsyncStream<Saying>
  private let continuation: AsyncStream<Saying>.Continuation
  private let state = Mutex(State())

  init(queuedStatuses: Int) {
    (sayings, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(queuedStatuses))
  }

  func acknowledge(_ number: UInt64) {
    let isFirst = state.withLock { state in
      state.acknowledged = number
      defer { state.hasQueued = true }
      return !state.hasQueued
    }
    if isFirst { queue(.acknowledgement) }
  }

  func refuse(_ number: UInt64, _ reason: String) { queue(.refusal(number, reason)) }

  private func queue(_ saying: Saying) {
    if case .dropped = continuation.yield(saying) { continuation.finish() }
  }

  func status(of saying: Saying) -> WireRevocationStatus {
    switch saying {
    case .acknowledgement:
      let number = state.withLock { state in
        state.hasQueued = false
        return state.acknowledged
      }
      return .with { $0.acknowledgement = .with { $0.number = number } }
    case .refusal(let number, let reason):
      return .with {
        $0.refusal = .with {
          $0.number = number
          $0.reason = reason
        }
      }
    }
  }

  func connected() { state.withLock { $0.isConnected = true } }
  var isConnected: Bool { state.withLock { $0.isConnected } }
}
