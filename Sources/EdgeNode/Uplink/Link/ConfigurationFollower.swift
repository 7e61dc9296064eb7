// Follows the control plane's configuration: hello, updates, answers, and every few seconds a report.

import FoundationEssentials
import GRPCCore
import Logging
import StraitControlLink
import StraitProtocol
import Synchronization

final class ConfigurationFollower: Sendable {
  private let link: ControlLink
  private let configuration: UplinkConfiguration
  private let logger: Logger
  private let apply: @Sendable (ConfigurationState) throws -> Void
  private let report: @Sendable () -> WireEdgeReport
  private let keeper: SnapshotKeeper
  private let trial: ConfigurationTrial?
  private let peers: PeerConfigurations?
  private let facts: LinkFacts
  private let lastWord: LastWordKeeper
  private let floor: @Sendable () -> StoredVersion?
  private let believesInStep: @Sendable (Int64) -> Bool
  private let receiver: Mutex<ConfigurationReceiver>
  /// Set when what is here does not fit what comes: the next hello says that there is nothing.
  private let wantsSnapshot = Mutex(false)
  /// The stream on which an update was refused because too much is gone in it; nothing where another was taken since.
  private let doubting = Mutex<FollowSession?>(nil)

  /// - Parameters:
  ///   - floor: what another edge has below it would give revoked keys access again
  ///   - believesInStep: whether an answer to the report of that mark counts
  init(
    link: ControlLink, configuration: UplinkConfiguration, state: ConfigurationState, keeper: SnapshotKeeper,
    facts: LinkFacts, lastWord: LastWordKeeper, logger: Logger, trial: ConfigurationTrial? = nil,
    peers: PeerConfigurations? = nil, floor: @escaping @Sendable () -> StoredVersion? = { nil },
    isRevoked: @escaping @Sendable (KeyRecord) -> Bool = { _ in false },
    believesInStep: @escaping @Sendable (Int64) -> Bool = { _ in true },
    report: @escaping @Sendable () -> WireEdgeReport,
    apply: @escaping @Sendable (ConfigurationState) throws -> Void
  ) {
    self.link = link
    self.configuration = configuration
    self.keeper = keeper
    self.facts = facts
    self.lastWord = lastWord
    self.logger = logger
    self.trial = trial
    self.peers = peers
    self.floor = floor
    self.believesInStep = believesInStep
    self.report = report
    self.apply = apply
    var review = ConfigurationReview()
    review.isRevoked = isRevoked
    receiver = Mutex(ConfigurationReceiver(state: state, limits: configuration.limits, review: review))
  }

  /// Follows until the task is cancelled.
  func run() async {
    var backoff = Backoff(configuration.limits)
    while !Task.isCancelled {
      let session = FollowSession(queuedStatuses: configuration.limits.queuedStatuses)
      let start = monotonicSeconds()
      do {
        try await follow(session)
        logger.notice("the control plane closed the configuration stream")
      } catch {
        if Task.isCancelled { return }
        let words =
          receiver.withLock { $0.state.version } > 0
          ? "serving on what is here" : "there is no configuration, and nobody is served until one comes"
        logger.warning(
          "no configuration stream; \(words)", metadata: ["reason": "\(linkFailure(error))"])
      }
      facts.setLinked(false)
      await askPeers()
      let wasSteady = monotonicSeconds() - start > configuration.limits.steadySeconds
      if session.hasProgressed || (session.isConnected && wasSteady) { backoff.reset() }
      await backoff.pause()
    }
  }

  private func follow(_ session: FollowSession) async throws {
    receiver.withLock { $0.forget() }
    var options = CallOptions.defaults
    options.maxResponseMessageBytes = configuration.limits.updatePartBytes
    let chosen = options
    let hello = hello()
    try await link.withClient { client in
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await self.giveUpUnlessConnected(session) }
        group.addTask { try await self.reportRegularly(session) }
        group.addTask { for await _ in session.reconsiderations { throw FollowEnd.reconsiders } }
        group.addTask {
          try await WireConfiguration.Client(wrapping: client).follow(options: chosen) { writer in
            session.connected()
            self.facts.setLinked(true)
            try await writer.write(hello)
            for await status in session.statuses { try await writer.write(status) }
          } onResponse: { response in
            for try await part in response.messages { try await self.receive(part, session) }
          }
          throw FollowEnd.closed
        }
        defer { group.cancelAll() }
        do {
          while try await group.next() != nil {}
        } catch FollowEnd.closed {}
      }
    }
  }

  private func hello() -> WireConfigurationStatus {
    let state = receiver.withLock { $0.state }
    let startsOver = wantsSnapshot.withLock { $0 }
    return .with { status in
      status.hello = .with {
        if !startsOver && state.version > 0 {
          $0.lineage = Data(state.lineage)
          $0.version = state.version
          ($0.contentHash, $0.hashedFromDay) = state.contentClaim(now: Self.now)
        }
        $0.softwareVersion = configuration.softwareVersion
        $0.baseURL = configuration.baseURL
        $0.contract = ContractLevel.current.rawValue
      }
    }
  }

  // MARK: Updates

  private func receive(_ part: WireConfigurationUpdate, _ session: FollowSession) async throws {
    if part.inStep != 0 {
      let state = receiver.withLock { $0.state }
      facts.heard(version: state.version)
      guard believesInStep(part.inStep) else { return }
      return lastWord.take(mark: part.inStep, about: state)
    }
    facts.heard(version: part.version)
    switch receiver.withLock({ $0.receive(part, now: Self.now) }) {
    case .wait: break
    case .apply(let next): try await use(next, session)
    case .refuse(let version, let reason, let kind): refuse(version, reason, kind, session)
    case .drop(let version):
      logger.notice("goes on from a refused configuration", metadata: ["version": "\(version)"])
    case .startOver(let reason):
      wantsSnapshot.withLock { $0 = true }
      throw FollowEnd.startOver(reason: reason)
    }
  }

  /// In memory first, so that a revocation works at once; then acknowledged; the disk follows in its own time.
  private func use(_ next: ConfigurationState, _ session: FollowSession) async throws {
    let before: WireEdgeReport
    do {
      try await tryOut(next)
      before = report()
      try apply(next)
    } catch is CancellationError {
      throw CancellationError()
    } catch {
      return refuse(next.version, "\(error)", .unusable, session)
    }
    receiver.withLock { $0.commit(next) }
    wantsSnapshot.withLock { $0 = false }
    doubting.withLock { $0 = nil }
    keeper.keep(next)
    session.progressed()
    let content = next.contentClaim(now: Self.now)
    session.say(
      .with {
        $0.acknowledgement = .with {
          $0.version = next.version
          $0.contentHash = content.hash
          $0.hashedFromDay = content.fromDay
          $0.exchanges = .with {
            $0.ended = before.endedExchanges
            $0.failed = before.failedExchanges
          }
        }
      })
    logger.debug("configuration applied", metadata: ["version": "\(next.version)"])
  }

  /// Holds up what comes after it on this stream, and nothing else: no worker, and no revocation. What the edge started
  /// from is not tried: it is here because it was in force before.
  private func tryOut(_ next: ConfigurationState) async throws {
    guard let trial, ConfigurationTrial.isNeeded(for: next, after: receiver.withLock({ $0.state })) else {
      return
    }
    let start = monotonicSeconds()
    try await trial.run(next)
    logger.info(
      "configuration tried",
      metadata: [
        "version": "\(next.version)", "milliseconds": "\(Int((monotonicSeconds() - start) * 1_000))",
      ])
  }

  /// Microseconds since 1970.
  private static var now: Int64 { Int64(Date().timeIntervalSince1970 * 1e6) }

  private func refuse(_ version: UInt64, _ reason: String, _ kind: RefusalKind, _ session: FollowSession) {
    facts.refused(kind)
    doubting.withLock { $0 = kind == .doubtful ? session : nil }
    receiver.withLock { $0.refused(version) }
    let reason = String(reason.prefix(configuration.limits.reasonCharacters))
    logger.error("configuration refused", metadata: ["version": "\(version)", "reason": "\(reason)"])
    session.say(
      .with {
        $0.refusal = .with {
          $0.version = version
          $0.reason = reason
          $0.kind = kind.wire
        }
      })
  }

  /// A key that is refused already may be gone without a doubt. Where the configuration came before its revocation, and was
  /// refused for that, the stream begins anew: the control plane sends again what it lacks.
  func moreIsRevoked() {
    let session = doubting.withLock { doubting in
      defer { doubting = nil }
      return doubting
    }
    session?.reconsider()
  }

  // MARK: Without the control plane

  /// What the edge runs on, for another edge that has nothing; nil while the control plane is heard, or where there is
  /// nothing here either.
  var configurationForPeers: ConfigurationState? {
    if facts.isLinked { return nil }
    let state = receiver.withLock { $0.state }
    return state.version > 0 ? state : nil
  }

  /// An edge with nothing takes what another edge of its region runs on. Comes between two attempts to follow, so that
  /// nothing else changes the configuration meanwhile.
  private func askPeers() async {
    guard let peers, receiver.withLock({ $0.state.version == 0 }), !Task.isCancelled,
      let parts = await peers.fetch(notBelow: floor())
    else { return }
    let reception = receiver.withLock { receiver in
      receiver.forget()
      return parts.reduce(ConfigurationReceiver.Reception.wait) { _, part in
        receiver.receive(part, now: Self.now)
      }
    }
    guard case .apply(let next) = reception else {
      return logger.error(
        "another edge's configuration cannot be used", metadata: ["why": "\(reception.summary)"])
    }
    do {
      try await tryOut(next)
      try apply(next)
    } catch {
      return logger.error(
        "another edge's configuration is not taken into force", metadata: ["reason": "\(error)"])
    }
    receiver.withLock { $0.commit(next) }
    // Nobody says how old it is.
    lastWord.forget()
    keeper.keep(next)
  }

  // MARK: Beside the stream

  private func reportRegularly(_ session: FollowSession) async throws {
    while true {
      var report = report()
      report.mark = lastWord.mark
      session.say(.with { [report] in $0.report = report })
      try await Task.sleep(for: .seconds(configuration.limits.reportSeconds))
    }
  }

  /// Keepalive watches only over a connection that is there; a handshake that hangs is ended here.
  private func giveUpUnlessConnected(_ session: FollowSession) async throws {
    try await Task.sleep(for: .seconds(configuration.limits.connectSeconds))
    guard session.isConnected else { throw FollowEnd.noConnection }
  }
}

/// How following ends without an error of the transport.
private enum FollowEnd: Error, CustomStringConvertible {
  case closed
  case startOver(reason: String)
  case noConnection
  case reconsiders

  var description: String {
    switch self {
    case .closed: "the stream was closed"
    case .reconsiders: "what was refused is asked for again: more keys are revoked by now"
    case .startOver(let reason): "asking for a whole snapshot: \(reason)"
    case .noConnection: "no connection in time"
    }
  }
}

/// One stream's way up and what became of it.
private final class FollowSession: Sendable {
  let statuses: AsyncStream<WireConfigurationStatus>
  /// Reasons to begin anew.
  let reconsiderations: AsyncStream<Void>
  private let continuation: AsyncStream<WireConfigurationStatus>.Continuation
  private let reconsidering: AsyncStream<Void>.Continuation
  private let marks = Mutex((isConnected: false, hasProgressed: false))

  init(queuedStatuses: Int) {
    (statuses, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(queuedStatuses))
    (reconsiderations, reconsidering) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  func say(_ status: WireConfigurationStatus) { continuation.yield(status) }
  func reconsider() { reconsidering.yield() }
  func connected() { marks.withLock { $0.isConnected = true } }
  func progressed() { marks.withLock { $0.hasProgressed = true } }
  var isConnected: Bool { marks.withLock { $0.isConnected } }
  var hasProgressed: Bool { marks.withLock { $0.hasProgressed } }
}

extension RefusalKind {
  fileprivate var wire: WireRefusalKind {
    switch self {
    // The update alone does not tell whether it was misread, or what it goes on from is not what it should be.
    case .brokenHash, .gap: .ofBase
    case .incomplete, .older, .malformed, .duplicate, .dangling, .unknown, .doubtful, .otherLineage,
      .unusable:
      .ofVersion
    }
  }
}
