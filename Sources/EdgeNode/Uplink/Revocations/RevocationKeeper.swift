// Holds what the edge knows of revocations: puts it into force first, then on disk, and only then has it acknowledged.

import Logging
import StraitControlLink
import StraitProtocol
import Synchronization

final class RevocationKeeper: Sendable {
  private struct State {
    var ledger = RevocationLedger() {
      didSet { if ledger != oldValue { revision += 1 } }
    }
    /// Of the ledger, the one that the workers were given, and the one on disk.
    var revision: UInt64 = 0
    var enforced = (ledger: RevocationLedger(), revision: UInt64(0))
    var storedRevision: UInt64 = 0
    /// In force at the workers, and on disk: the same but for the time that the disk needs.
    var applied = ConfigurationState()
    var stored = ConfigurationState()
    /// What a restart may begin with where it dies of the stored one.
    var fallback: StoredVersion?
    /// Up to which number the disk has everything.
    var storedNumber: UInt64 = 0
  }

  private let path: String
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
    self.limits = limits
    self.logger = logger
    self.enforce = enforce
  }

  /// What was in force when the edge stopped. A file that cannot be read is logged, and everything is asked for again.
  /// - Parameter lastGood: what the edge begins with
  func load(beside lastGood: ConfigurationState) -> [RevocationSubject] {
    state.withLock {
      $0.applied = lastGood
      $0.stored = lastGood
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
        "the stored revocations cannot be used; asking the control plane for all of them",
        metadata: ["file": "\(path)", "reason": "\(error)"])
      return []
    }
  }

  /// What the control plane needs not send again.
  var greeting: (lineage: LineageID, number: UInt64) {
    state.withLock { ($0.ledger.lineage, min($0.storedNumber, $0.ledger.resumesAt)) }
  }

  func take(_ wire: WireRevocation) throws(RevocationFault) {
    let fault = state.withLock { state -> RevocationFault? in
      do throws(RevocationFault) {
        try state.ledger.take(
          wire, applied: state.applied, stored: state.stored, fallback: state.fallback,
          limit: limits.revocations)
        return nil
      } catch {
        return error
      }
    }
    if let fault { throw fault }
    changed.raise()
  }

  /// Whether a key is refused already, so that a configuration without it takes nothing more away.
  func refuses(_ key: KeyRecord) -> Bool {
    state.withLock {
      $0.ledger.entries[.key(key.id)] != nil || $0.ledger.entries[.team(key.teamID)] != nil
    }
  }

  /// Whether anything is refused that the configuration in force does not hold by itself.
  var isAhead: Bool { state.withLock { !$0.ledger.subjects(beside: $0.applied).isEmpty } }

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
      }
      state.applied = configuration
      return !state.ledger.entries.isEmpty
    }
    if hasAny { changed.raise() }
  }

  /// The disk has a configuration: a restart would find what it holds.
  func configurationStored(_ configuration: ConfigurationState) {
    let isLess = state.withLock { state in
      state.stored = configuration
      return state.ledger.prune(beside: configuration, fallback: state.fallback)
    }
    if isLess { changed.raise() }
  }

  /// The disk has an older configuration too, for a restart that dies of the stored one.
  func fallbackStored(_ version: StoredVersion) {
    let isLess = state.withLock { state in
      state.fallback = version
      return state.ledger.prune(beside: state.stored, fallback: version)
    }
    if isLess { changed.raise() }
  }

  /// Whether it is known what was revoked ahead of the stored configuration.
  var areReadable: Bool {
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
