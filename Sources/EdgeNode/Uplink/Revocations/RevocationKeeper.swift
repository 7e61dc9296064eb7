// Holds what the edge knows of revocations: puts it into force first, then on disk, and only then has it acknowledged.

import Logging
import StraitControlLink
import StraitProtocol
import Synchronization

final class RevocationKeeper: Sendable {
  private struct State {
    var ledger = RevocationLedger()
    /// Of the ledger, which is counted up with each change of it; the one that the workers were given, and the one on disk.
    var revision: UInt64 = 0
    var enforced = (ledger: RevocationLedger(), revision: UInt64(0))
    var storedRevision: UInt64 = 0
    /// In force at the workers, and on disk: the same but for the time that the disk needs.
    var applied = ConfigurationState()
    var stored = ConfigurationState()
    /// What a restart may begin with where the stored one is of no use.
    var fallbacks: [StoredVersion] = []
    /// Up to which number the disk has everything.
    var storedNumber: UInt64 = 0
    /// What was in force before cannot be read, and the lane has not told all of it again.
    var isLost = false
    /// Since when the lane is open, as `ClockReading.sinceBoot` has it.
    var openSince: Int64?
    /// From this revision on the disk has again what was lost.
    var foundRevision: UInt64?
  }

  private let path: String
  /// Where a file goes that cannot be read; it says through restarts that something is not known.
  private let lostPath: String
  static let lostName = "revocations.damaged"
  private let limits: UplinkLimits
  private let logger: Logger
  private let enforce: @Sendable ([RevocationSubject]) async -> Void
  private let state = Mutex(State())
  private let changed = Signal()
  private let enforced = Signal()

  init(
    dataDirectory: String, limits: UplinkLimits, logger: Logger,
    enforce: @escaping @Sendable ([RevocationSubject]) async -> Void
  ) {
    path = dataDirectory + "/revocations"
    lostPath = dataDirectory + "/" + Self.lostName
    self.limits = limits
    self.logger = logger
    self.enforce = enforce
  }

  /// What was in force when the edge stopped. A file that cannot be read is logged, and everything is asked for again;
  /// until that has come, `areLost`.
  /// - Parameter lastGood: what the edge begins with
  func load(beside lastGood: ConfigurationState) -> [RevocationSubject] {
    state.withLock {
      $0.applied = lastGood
      $0.stored = lastGood
      $0.isLost = DurableFile.isThere(lostPath)
    }
    do {
      guard let bytes = try DurableFile.read(path, limitBytes: limits.snapshotBytes) else { return [] }
      let ledger = try RevocationFile.decode(bytes)
      return state.withLock {
        $0.ledger = ledger
        $0.enforced = (ledger, $0.revision)
        $0.storedRevision = $0.revision
        $0.storedNumber = ledger.number
        return ledger.subjects(beside: lastGood)
      }
    } catch {
      logger.error(
        """
        the stored revocations cannot be used: keys that were revoked ahead of the stored configuration are served until \
        the control plane has told all of them again
        """, metadata: ["file": "\(path)", "kept as": "\(lostPath)", "reason": "\(error)"])
      lose()
      return []
    }
  }

  private func lose() {
    state.withLock { $0.isLost = true }
    do {
      try DurableFile.rename(path, to: lostPath)
    } catch {
      logger.error("the stored revocations stay where they are", metadata: ["reason": "\(error)"])
    }
  }

  // MARK: What was lost

  /// It is not known what was revoked ahead of the configuration.
  var areLost: Bool { state.withLock { $0.isLost } }

  /// The lane takes words both ways; it begins with everything where anything is lost.
  func laneOpened() { state.withLock { $0.openSince = ClockReading.now().sinceBoot } }
  func laneClosed() { state.withLock { $0.openSince = nil } }

  /// The control plane says that the edge was in step at `mark`. What the lane had to tell has come when it had been open
  /// for long enough by then; the configuration holds the rest.
  /// - Returns: whether it is known what is revoked
  func inStep(at mark: Int64) -> Bool {
    let tellMicroseconds = Int64(limits.laneTellSeconds * 1_000_000)
    let (isKnown, isNews) = state.withLock { state in
      guard state.isLost else { return (true, false) }
      guard let since = state.openSince, mark >= since + tellMicroseconds else { return (false, false) }
      state.isLost = false
      // Written though it may be as empty as at the beginning.
      state.revision += 1
      state.foundRevision = state.revision
      return (true, true)
    }
    if isNews {
      logger.notice("it is known again what was revoked")
      changed.raise()
    }
    return isKnown
  }

  /// What the control plane needs not send again.
  var greeting: (lineage: LineageID, number: UInt64) {
    state.withLock {
      ($0.ledger.lineage, $0.isLost ? 0 : min($0.storedNumber, $0.ledger.resumesAt))
    }
  }

  /// - Returns: whether more is refused than before
  func take(_ wire: WireRevocation) throws(RevocationFault) -> Bool {
    var isNews = false
    let fault = state.withLock { state -> RevocationFault? in
      do throws(RevocationFault) {
        isNews = try state.ledger.take(
          wire, applied: state.applied, stored: state.stored, fallbacks: state.fallbacks,
          limit: limits.revocations)
        if isNews { state.revision += 1 }
        return nil
      } catch {
        state.revision += 1
        return error
      }
    }
    if let fault { throw fault }
    changed.raise()
    return isNews
  }

  /// Whether a key is refused already, so that a configuration without it takes nothing more away.
  func refuses(_ key: KeyRecord) -> Bool {
    state.withLock { state in
      [.key(key.id), .team(key.teamID)].contains { state.ledger.isInForce($0, beside: state.applied) }
    }
  }

  /// Whether anything is refused that the configuration in force does not hold by itself, or should be.
  var isAhead: Bool { state.withLock { $0.isLost || !$0.ledger.subjects(beside: $0.applied).isEmpty } }

  /// An older configuration of that database lacks revocations that are kept here no more.
  var floor: StoredVersion? { state.withLock { $0.ledger.floor } }

  /// The workers have a configuration: what it holds by itself needs no overlay any more.
  func configurationApplied(_ configuration: ConfigurationState) {
    let hasAny = state.withLock { state in
      let lineage = state.ledger.lineage
      if state.applied.lineage == lineage.bytes, configuration.lineage != lineage.bytes,
        let next = LineageID(bytes: configuration.lineage)
      {
        state.ledger.leave(for: next)
        state.revision += 1
      }
      state.applied = configuration
      return !state.ledger.entries.isEmpty
    }
    if hasAny { changed.raise() }
  }

  /// The disk has a configuration: a restart would find what it holds.
  func configurationStored(_ configuration: ConfigurationState) {
    prune { $0.stored = configuration }
  }

  /// The disk has older configurations too, for a restart to which the stored one is of no use: those that are, and one
  /// that will be.
  func fallbacksStored(_ versions: [StoredVersion]) {
    prune { $0.fallbacks = versions }
  }

  private func prune(after change: (inout State) -> Void) {
    let isNews = state.withLock { state in
      change(&state)
      guard state.ledger.prune(beside: state.stored, fallbacks: state.fallbacks) else { return false }
      state.revision += 1
      return true
    }
    if isNews { changed.raise() }
  }

  /// Whether it is known what was revoked ahead of the stored configuration.
  var areReadable: Bool {
    guard !DurableFile.isThere(lostPath) else { return false }
    do {
      guard let bytes = try DurableFile.read(path, limitBytes: limits.snapshotBytes) else { return true }
      _ = try RevocationFile.decode(bytes)
      return true
    } catch {
      return false
    }
  }

  /// Enforces and stores until the task is cancelled.
  /// - Parameter stored: told up to which number everything is in force and on disk
  func run(stored: @escaping @Sendable (UInt64) -> Void) async {
    await withTaskGroup { group in
      group.addTask { await self.enforceChanges() }
      group.addTask {
        await withTaskExecutorPreference(LaneExecutor.storing) { await self.storeChanges(stored) }
      }
    }
  }

  private func enforceChanges() async {
    while !Task.isCancelled {
      await changed.wait()
      let (subjects, ledger, revision) = state.withLock {
        ($0.ledger.subjects(beside: $0.applied), $0.ledger, $0.revision)
      }
      await enforce(subjects)
      state.withLock { $0.enforced = (ledger, revision) }
      enforced.raise()
    }
  }

  private func storeChanges(_ stored: @Sendable (UInt64) -> Void) async {
    while !Task.isCancelled {
      await enforced.wait()
      if let number = store() {
        stored(number)
      } else {
        do { try await Task.sleep(for: .seconds(limits.snapshotRetrySeconds)) } catch {}
        enforced.raise()
      }
    }
  }

  /// Stores what is in force, and nothing that came since: it is not to be acknowledged yet.
  /// - Returns: nil when the disk did not take it
  private func store() -> UInt64? {
    let (ledger, revision, storedRevision) = state.withLock {
      ($0.enforced.ledger, $0.enforced.revision, $0.storedRevision)
    }
    guard revision != storedRevision else { return ledger.number }
    do {
      try DurableFile.write(RevocationFile.encode(ledger), to: path)
      if state.withLock({ $0.foundRevision.map { revision >= $0 } ?? false }) {
        try DurableFile.remove(lostPath)
        state.withLock { $0.foundRevision = nil }
      }
      state.withLock {
        $0.storedNumber = ledger.number
        $0.storedRevision = revision
      }
      return ledger.number
    } catch {
      logger.error(
        "revocations are in force but could not be stored; a restart would forget them",
        metadata: ["number": "\(ledger.number)", "reason": "\(error)"])
      return nil
    }
  }
}
