// The edge's side of the control link: who the edge is, what it serves by, and what it has to tell.
//
// Nothing here is on the path of a request. Without a control plane the edge goes on with the configuration it has, and
// its records wait in the spool.

import FoundationEssentials
import Logging
import StraitProtocol
import Synchronization

package final class Uplink: Sendable {
  private let configuration: UplinkConfiguration
  private let spool: UsageSpool
  private let logger: Logger
  private let activeExchanges: @Sendable () -> UInt64
  private let exchangeCounts: @Sendable () -> (ended: UInt64, failed: UInt64)
  private let apply: @Sendable (ConfigurationState) throws -> Void
  private let store: IdentityStore
  private let keeper: SnapshotKeeper
  private let starts: StartKeeper
  private let lastWord: LastWordKeeper
  private let facts = LinkFacts()
  private let revocations: RevocationKeeper
  private let known = Mutex<Known>(Known())
  private let evicted = Signal()
  private let spoolsSetAside: Int

  private struct Known {
    var identity: EdgeIdentity?
    var credentials: EdgeCredentials?
    var isEvicted = false
    /// What the edge runs on before the link is up.
    var lastGood = ConfigurationState()
  }

  /// - Parameters:
  ///   - activeExchanges: how many exchanges are under way, for the fleet's view
  ///   - exchangeCounts: how many ended and how many of them failed, by which a rollout judges a new version
  ///   - apply: puts a configuration into force. When it throws, the edge keeps the one before and the control plane gets
  ///     the error's words: they must not quote a credential.
  ///   - lastWord: told when the control plane last said that the edge is in step, in microseconds of the monotonic
  ///     clock, `Int64.min` for never
  ///   - enforce: refuses these keys and teams, and no others, whatever the configuration says; returns when that is so
  ///     everywhere
  package init(
    configuration: UplinkConfiguration, spool: UsageSpool, logger: Logger,
    activeExchanges: @escaping @Sendable () -> UInt64,
    exchangeCounts: @escaping @Sendable () -> (ended: UInt64, failed: UInt64) = { (0, 0) },
    apply: @escaping @Sendable (ConfigurationState) throws -> Void,
    enforce: @escaping @Sendable ([RevocationSubject]) async -> Void = { _ in },
    lastWord: @escaping @Sendable (Int64) -> Void = { _ in }
  ) {
    self.configuration = configuration
    self.spool = spool
    self.logger = logger
    self.activeExchanges = activeExchanges
    self.exchangeCounts = exchangeCounts
    self.apply = apply
    store = IdentityStore(folder: configuration.dataDirectory)
    spoolsSetAside = FolderOwner.spoolsSetAside(in: configuration.dataDirectory)
    starts = StartKeeper(
      dataDirectory: configuration.dataDirectory, limits: configuration.limits, logger: logger)
    self.lastWord = LastWordKeeper(
      dataDirectory: configuration.dataDirectory, limits: configuration.limits, logger: logger, tell: lastWord
    )
    let revocations = RevocationKeeper(
      dataDirectory: configuration.dataDirectory, limits: configuration.limits, logger: logger,
      enforce: enforce)
    self.revocations = revocations
    keeper = SnapshotKeeper(
      dataDirectory: configuration.dataDirectory, limits: configuration.limits, logger: logger,
      stored: { revocations.configurationStored($0) }, keptBefore: { revocations.fallbacksStored($0) })
  }

  /// Who this edge is; nil before the first `ensureIdentity` or `loadLastGood` on an edge that has enrolled.
  package var identity: EdgeIdentity? { known.withLock { $0.identity } }

  /// The stored identity at once, or a new one by the join token. Waits while the control plane is away.
  /// - Throws: `UplinkError` when there is no token, when it is refused, or when the stored identity is damaged
  package func ensureIdentity() async throws -> EdgeIdentity {
    if try store.isEvicted {
      // A process that was killed as it left the fleet has not come so far.
      try removeConfigurations()
      if configuration.joinToken?.isEmpty == false {
        logger.notice("this edge was evicted; it becomes a new one by the join token")
        try store.forget()
      }
    }
    if let stored = try loadIdentity() { return stored }
    guard let token = configuration.joinToken, !token.isEmpty else {
      throw UplinkError.noIdentity(folder: configuration.dataDirectory)
    }
    try await Enrolment(configuration: configuration, store: store, logger: logger).enrol(token: token)
    guard let enrolled = try loadIdentity() else {
      throw UplinkError.noIdentity(folder: configuration.dataDirectory)
    }
    return enrolled
  }

  /// The configuration that the edge ran on before, for use until the control plane is heard. From then on the control
  /// plane is told that this is what the edge has, so it must be put into force; if that fails, `discardLastGood`.
  /// Where it has killed one start after another, or cannot be read, that is one that the edge lived with before, if there
  /// is any.
  /// - Returns: nil when there is none, or none that can be read, which is logged
  package func loadLastGood() throws -> ConfigurationState? {
    _ = try loadIdentity()
    guard let credentials = known.withLock({ $0.credentials }) else { return nil }
    guard keeper.isThere else {
      starts.forget()
      return nil
    }
    starts.begin()
    if starts.deaths >= configuration.limits.deadStarts {
      guard
        setAside(
          "the edge died in \(starts.deaths) starts from it in a row, before it had proved to live with it")
      else { return nil }
      starts.begin()
    }
    guard let state = keeper.load(credentials) ?? loadPrevious(credentials) else { return nil }
    known.withLock { $0.lastGood = state }
    lastWord.load(beside: state)
    return state
  }

  /// In place of a stored configuration that cannot be read. Without one that can, the file stays where it is.
  private func loadPrevious(_ credentials: EdgeCredentials) -> ConfigurationState? {
    guard keeper.hasPrevious(credentials), revocations.areReadable, setAside("it cannot be used") else {
      logger.error("there is none before it that can be used; the edge waits for the control plane's")
      return nil
    }
    // This start has the other one to live with.
    starts.begin()
    return keeper.load(credentials)
  }

  /// As `loadLastGood`, for a process that will serve by it. Where the start before this one died, the configuration is
  /// tried in a child process first, as a new one would be.
  package func startFromLastGood() async throws -> ConfigurationState? {
    guard let state = try loadLastGood() else { return nil }
    guard starts.deaths > 0, var trial = configuration.trial else { return state }
    logger.warning(
      "the start before this one died; trying the stored configuration first",
      metadata: ["version": "\(state.version)", "deaths": "\(starts.deaths)"])
    trial.region = identity?.region ?? ""
    do {
      try await trial.run(state)
    } catch let fault as TrialFault where fault.isVerdict {
      let fallsBack = setAside("the start before this one died, and a trial of it failed: \(fault)")
      discardLastGood()
      return fallsBack ? try loadLastGood() : nil
    } catch {
      logger.warning("the stored configuration could not be tried", metadata: ["reason": "\(error)"])
    }
    return state
  }

  /// The process ends by itself in good order: what it started from is not to blame.
  package func startIsOver() { starts.end() }

  /// The process serves by what it started from.
  package func serves() { starts.serves() }

  /// Somebody asks the process to end. What it started from is not to blame, unless the start hangs.
  package func askedToEnd() { starts.askedToEnd() }

  /// - Returns: whether one that the edge lived with before has taken its place
  private func setAside(_ reason: String) -> Bool {
    do {
      // What has been revoked since then is known from a file of its own alone.
      let fallsBack = try keeper.setAside(canFallBack: revocations.areReadable)
      starts.forget()
      let then =
        fallsBack
        ? "the edge starts from one that it lived with before"
        : "nobody is served until the control plane, or another edge of the region, gives another one"
      logger.critical(
        "the stored configuration is set aside; \(then)",
        metadata: ["kept as": "\(keeper.asidePath)", "reason": "\(reason)"])
      return fallsBack
    } catch {
      logger.critical(
        "the stored configuration is not taken, and could not be set aside; nobody is served until another one comes",
        metadata: ["why": "\(reason)", "reason": "\(error)"])
      return false
    }
  }

  /// The keys and teams that were revoked ahead of the configuration when the edge stopped: refused from the start.
  /// Where that is not known any more, teams that want fresh edges are refused until it is.
  package func loadRevocations() -> [RevocationSubject] {
    let subjects = revocations.load(beside: known.withLock { $0.lastGood })
    if revocations.areLost { lastWord.forget() }
    return subjects
  }

  /// Forgets what `loadLastGood` gave, so that the control plane sends everything.
  package func discardLastGood() {
    known.withLock { $0.lastGood = ConfigurationState() }
    lastWord.forget()
  }

  /// As the closure that `init` takes is told.
  package var lastWordAt: Int64 { lastWord.lastWordAt }

  /// What `/metrics` says of the link: names with their labels, and values.
  package var metrics: [(name: String, value: Double)] {
    facts.metrics + [
      ("strait_edge_configuration_start_deaths", Double(starts.deaths)),
      ("strait_edge_configuration_set_aside", keeper.hasSetAside ? 1 : 0),
      ("strait_edge_revocations_lost", revocations.areLost ? 1 : 0),
      ("strait_edge_spools_set_aside", Double(spoolsSetAside)),
      ("strait_edge_control_plane_last_word_age_seconds", lastWord.ageSeconds ?? .infinity),
      (
        "strait_edge_certificate_expires_timestamp_seconds",
        identity?.certificateExpires.timeIntervalSince1970 ?? 0
      ),
    ]
  }

  /// Keeps the link until the task is cancelled: follows the configuration, ships usage, reports. Each reconnects by
  /// itself and never gives up.
  /// - Throws: what `ensureIdentity` throws on an edge without an identity, and `UplinkError.evicted` once the control
  ///   plane has said so: such an edge is to stop, and a restart does not serve either
  package func run() async throws {
    _ = try await ensureIdentity()
    let (credentials, lastGood) = known.withLock { ($0.credentials, $0.lastGood) }
    guard let credentials else { throw UplinkError.noIdentity(folder: configuration.dataDirectory) }
    let link = ControlLink(
      replicas: try Replicas(texts: configuration.controlPlaneAddresses),
      authorityFile: configuration.authorityFile,
      credentials: { self.known.withLock { $0.credentials } }, limits: configuration.limits,
      evicted: { self.leaveFleet() })
    let renewal = CertificateRenewal(
      link: link, configuration: configuration, store: store, logger: logger, identity: { self.identity },
      adopt: { try self.reloadIdentity() })
    let peering = try makePeering(over: link)
    var trial = configuration.trial
    trial?.region = identity?.region ?? ""
    let follower = ConfigurationFollower(
      link: link, configuration: configuration, state: lastGood, keeper: keeper, facts: facts,
      lastWord: lastWord, logger: logger, trial: trial, peers: peering?.configurations,
      floor: { [revocations] in revocations.floor },
      isRevoked: { [revocations] in revocations.refuses($0) },
      believesInStep: { [revocations] in revocations.inStep(at: $0) },
      report: { self.report() },
      apply: { [apply, revocations] state in
        try apply(state)
        revocations.configurationApplied(state)
      })
    let watcher = RevocationWatcher(
      link: link, limits: configuration.limits, keeper: revocations, logger: logger,
      cameIntoForce: { follower.moreIsRevoked() })
    keeper.begin(credentials, from: lastGood)
    let endedWell = { @Sendable [exchangeCounts] in
      let counts = exchangeCounts()
      return counts.ended - min(counts.ended, counts.failed)
    }
    async let _: Void = starts.awaitProof(ended: endedWell)
    await withTaskGroup { group in
      group.addTask { await follower.run() }
      group.addTask { await watcher.run() }
      group.addTask { await self.keeper.run(credentials, ended: endedWell) }
      group.addTask { await self.lastWord.run() }
      group.addTask { await renewal.run() }
      if let server = peering?.server({ [revocations] in
        // Without what is refused beside it, it would give access back at the other edge.
        revocations.isAhead ? nil : follower.configurationForPeers
      }) {
        group.addTask { await server.run() }
      }
      group.addTask { [configuration, spool, logger] in
        var shipper = UsageShipper(link: link, limits: configuration.limits, spool: spool, logger: logger)
        await shipper.run()
      }
      group.addTask { await self.evicted.wait() }
      // Only the wait for an eviction ends by itself.
      await group.next()
      group.cancelAll()
    }
    if known.withLock({ $0.isEvicted }) {
      try removeConfigurations()
      throw UplinkError.evicted(folder: configuration.dataDirectory)
    }
  }

  private func removeConfigurations() throws {
    try SnapshotKeeper.remove(from: configuration.dataDirectory)
    starts.forget()
  }

  /// What this edge and the others of its region are to each other; nil where its file says nothing of them.
  private func makePeering(over link: ControlLink) throws -> Peering? {
    guard let identity, configuration.peerListen != nil || !configuration.peers.isEmpty else { return nil }
    return try Peering(configuration: configuration, region: identity.region, link: link, logger: logger)
  }

  /// Remembered before anything else: whatever happens next, a restart does not serve.
  private func leaveFleet() {
    let isNews = known.withLock { known in
      defer { known.isEvicted = true }
      return !known.isEvicted
    }
    guard isNews else { return }
    do {
      try store.markEvicted()
    } catch {
      logger.error("cannot write down that this edge was evicted", metadata: ["reason": "\(error)"])
    }
    evicted.raise()
  }

  private func report() -> WireEdgeReport {
    .with {
      $0.spooledRecords = UInt64(spool.depth)
      $0.lostRecords = spool.lost
      $0.activeExchanges = activeExchanges()
      $0.certificateExpiresAt = Int64((identity?.certificateExpires.timeIntervalSince1970 ?? 0) * 1_000_000)
      ($0.endedExchanges, $0.failedExchanges) = exchangeCounts()
    }
  }

  private func loadIdentity() throws -> EdgeIdentity? {
    if let identity = known.withLock({ $0.identity }) { return identity }
    try reloadIdentity()
    return known.withLock { $0.identity }
  }

  private func reloadIdentity() throws {
    guard let (identity, credentials) = try store.load() else { return }
    known.withLock {
      $0.identity = identity
      $0.credentials = credentials
    }
  }
}
