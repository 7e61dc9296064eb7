// Wires the data path to the control link: usage goes to the spool, configurations become policy tables, signals become
// a drain or a reload.

import Dispatch
import EdgeDataPath
import EdgeUplink
import Foundation
import Logging
import StraitProtocol
import Synchronization

final class EdgeProcess: Sendable {
  private let file: EdgeFile
  private let certificates: CertificateKeeper
  private let joinToken: String?
  private let logger: Logger
  private let trial = ConfigurationTrial()
  /// Set once the identity is known; configurations that come earlier cannot be, because the link needs the identity.
  private let edge = Mutex<Edge?>(nil)

  init(file: EdgeFile, certificates: CertificateKeeper, joinToken: String?, logger: Logger) {
    self.file = file
    self.certificates = certificates
    self.joinToken = joinToken
    self.logger = logger
  }

  /// Serves until SIGTERM or SIGINT.
  func run(tls: TLSContext) async throws {
    try FileManager.default.createDirectory(
      atPath: file.dataDirectory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
    let signals = ProcessSignals()
    let owner = FolderOwner(dataDirectory: file.dataDirectory, logger: logger)
    try owner.prepare(rejoins: joinToken?.isEmpty == false)
    let spool = try UsageSpool(
      directory: file.dataDirectory + "/spool", limits: SpoolLimits(), logger: logger)
    let region = Mutex("")
    let uplink = Uplink(
      configuration: uplinkConfiguration, spool: spool, logger: logger,
      activeExchanges: { [self] in edge.withLock { $0?.activeExchanges } ?? 0 },
      exchangeCounts: { [self] in edge.withLock { $0?.exchangeCounts } ?? (0, 0) },
      apply: { [self] state in
        let serving = edge.withLock { $0 }
        let tables = try PolicyTables(state, region: region.withLock { $0 }, reusing: serving?.tables)
        serving?.adopt(tables)
        logger.info("configuration in force", metadata: ["version": "\(state.version)"])
      },
      enforce: { [self] subjects in await edge.withLock { $0 }?.adopt(RevocationTable(subjects)) },
      lastWord: { [self] at in edge.withLock { $0 }?.adopt(lastWordAt: at) })
    // At once, and on a thread of its own: who asks may lose patience before the tables are built.
    signals.whenAskedToEnd { uplink.askedToEnd() }
    defer { uplink.startIsOver() }
    // An edge without identity waits here for the control plane; a signal ends the wait.
    guard let identity = try await signals.firstOf({ try await uplink.ensureIdentity() }) else { return }
    owner.claim(for: identity.edge)
    region.withLock { $0 = identity.region }
    let accessLog = try file.accessLog.map { try AccessLog(path: $0.file, sample: $0.sample) }
    let endings = signals.stream
    let tables = try await firstTables(uplink, region: identity.region)
    let serving = try Edge(
      settings: settings(identity), tables: tables, revocations: RevocationTable(uplink.loadRevocations()),
      sink: spool, accessLog: accessLog,
      logAddressRefused: { [logger] upstream, refusal in
        let next =
          refusal == .notPublic
          ? "where it is in a network of your own, add the upstream with --network private"
          : "give the upstream a URL that leads to the upstream itself"
        logger.warning(
          "an upstream has an address that is not connected to",
          metadata: ["upstream": "\(upstream)", "reason": "\(refusal.word)", "next": "\(next)"])
      },
      gauges: { [trial] in
        [
          ("strait_edge_configuration_trials_passed", Double(trial.counts.passed)),
          ("strait_edge_configuration_trials_failed", Double(trial.counts.failed)),
          ("strait_edge_spooled_records", Double(spool.depth)),
          ("strait_edge_lost_records", Double(spool.lost)),
        ] + uplink.metrics
      })
    serving.adopt(lastWordAt: uplink.lastWordAt)
    try serving.start(tls: tls)
    uplink.serves()
    edge.withLock { $0 = serving }
    logger.info("serving", metadata: ["edge": "\(identity.edge)", "region": "\(identity.region)"])
    let link = Task {
      do {
        try await uplink.run()
      } catch {
        // The edge was evicted: it ends as if it had been asked to, and says why at its end.
        signals.end()
        throw error
      }
    }
    let watch = Task { await certificates.follow(serving, logger) }
    await followSignals(endings, serving)
    watch.cancel()
    logger.info("draining")
    await serving.drain(windowMicroseconds: Int64(file.drainSeconds) * 1_000_000)
    accessLog?.close()
    link.cancel()
    let linkEnd = await link.result
    spool.close()
    logger.info("stopped")
    if case .failure(let error as UplinkError) = linkEnd { throw error }
  }

  private var uplinkConfiguration: UplinkConfiguration {
    var configuration = UplinkConfiguration(
      dataDirectory: file.dataDirectory, controlPlaneAddresses: file.controlPlaneAddresses,
      enrolmentAddresses: file.enrolmentAddresses, authorityFile: file.authorityFile, joinToken: joinToken,
      baseURL: file.baseURL, softwareVersion: SoftwareVersion.current)
    configuration.peerListen = file.peerListen
    configuration.peers = file.peers
    configuration.trial = trial
    if let seconds = file.connectSeconds { configuration.limits.dialSeconds = Double(seconds) }
    return configuration
  }

  private func settings(_ identity: EdgeIdentity) -> EdgeSettings {
    var settings = EdgeSettings(
      listen: file.listen, adminListen: file.adminListen, workers: file.workers,
      edgeName: identity.edge.description, region: identity.region)
    settings.limits = file.limits
    return settings
  }

  /// The tables of the last good configuration, or empty ones until the control plane is heard.
  private func firstTables(_ uplink: Uplink, region: String) async throws -> PolicyTables {
    if let state = try await uplink.startFromLastGood() {
      do {
        return try PolicyTables(state, region: region)
      } catch {
        logger.error("the last good configuration cannot be used", metadata: ["reason": "\(error)"])
        uplink.discardLastGood()
      }
    }
    return try PolicyTables(ConfigurationState(), region: region)
  }

  /// Returns when the process is to end. SIGHUP reads the certificates again.
  private func followSignals(_ signals: AsyncStream<Int32>, _ serving: Edge) async {
    for await signal in signals {
      guard signal == SIGHUP else { return }
      certificates.reload(serving, logger)
    }
  }
}

/// SIGTERM, SIGINT and SIGHUP, for any number of listeners in turn.
final class ProcessSignals: Sendable {
  private let listeners = Mutex<[Int: AsyncStream<Int32>.Continuation]>([:])
  private let askedToEnd = Mutex<(@Sendable () -> Void)?>(nil)
  /// Written in init alone, only to keep the sources alive.
  nonisolated(unsafe) private var sources: [any DispatchSourceSignal] = []

  init() {
    sources = [SIGTERM, SIGINT, SIGHUP].map { number in
      signal(number, SIG_IGN)
      let source = DispatchSource.makeSignalSource(signal: number)
      source.setEventHandler { [weak self] in self?.deliver(number) }
      source.resume()
      return source as any DispatchSourceSignal
    }
  }

  /// The signals from now on. Each listener has a stream of its own, because a cancelled listener ends its stream.
  var stream: AsyncStream<Int32> {
    let (stream, continuation) = AsyncStream<Int32>.makeStream()
    listeners.withLock { $0[$0.count] = continuation }
    return stream
  }

  /// As if the process had been asked to end.
  func end() { deliver(SIGTERM) }

  /// Called on the thread that takes signals, before anybody who listens.
  func whenAskedToEnd(_ action: @escaping @Sendable () -> Void) { askedToEnd.withLock { $0 = action } }

  private func deliver(_ number: Int32) {
    if number != SIGHUP { askedToEnd.withLock { $0 }?() }
    for listener in listeners.withLock({ $0.values.map { $0 } }) { listener.yield(number) }
  }

  /// The result of `work`, or nil when a signal to end comes first.
  func firstOf<Result: Sendable>(_ work: @escaping @Sendable () async throws -> Result) async throws
    -> Result?
  {
    let signals = stream
    return try await withThrowingTaskGroup(of: Result?.self) { group in
      group.addTask { try await work() }
      group.addTask {
        // The stream also ends when this task is cancelled, because the work is done.
        for await number in signals where number != SIGHUP { return nil }
        return nil
      }
      let first = try await group.next() ?? nil
      group.cancelAll()
      return first
    }
  }
}
