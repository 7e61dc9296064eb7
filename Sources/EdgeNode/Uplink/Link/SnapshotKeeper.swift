// Keeps the newest applied configuration on disk, apart from the path that applies it: a burst of updates is written
// once, and a slow disk delays no acknowledgement.

import Logging
import StraitProtocol
import Synchronization

final class SnapshotKeeper: Sendable {
  private let path: String
  /// Where one goes that the edge died of, or could not read, for whoever looks into it.
  let asidePath: String
  private let limits: UplinkLimits
  private let logger: Logger
  private let stored: @Sendable (ConfigurationState) -> Void
  private let pending = Mutex<ConfigurationState?>(nil)
  private let changed = Signal()
  private let aside: Mutex<Bool>
  private let previous: PreviousGood
  private let keptBefore: @Sendable ([StoredVersion]) -> Void

  /// - Parameters:
  ///   - stored: told of every configuration that a restart would find
  ///   - keptBefore: told of what a restart would find where that is of no use, or will in a moment
  init(
    dataDirectory: String, limits: UplinkLimits, logger: Logger,
    stored: @escaping @Sendable (ConfigurationState) -> Void,
    keptBefore: @escaping @Sendable ([StoredVersion]) -> Void
  ) {
    self.stored = stored
    self.keptBefore = keptBefore
    path = Self.path(in: dataDirectory)
    asidePath = path + Self.asideSuffix
    aside = Mutex(DurableFile.isThere(asidePath))
    previous = PreviousGood(of: path, limits: limits, logger: logger)
    self.limits = limits
    self.logger = logger
  }

  /// The stored configuration; nil when there is none, or none that can be used, which is logged.
  func load(_ credentials: EdgeCredentials) -> ConfigurationState? {
    do {
      return try SnapshotFile.read(path, limitBytes: limits.snapshotBytes, with: credentials.snapshotKey)
    } catch {
      logger.error(
        "the stored configuration cannot be used", metadata: ["file": "\(path)", "reason": "\(error)"])
      return nil
    }
  }

  /// Whether there is an older one to fall back on that can be opened.
  func hasPrevious(_ credentials: EdgeCredentials) -> Bool {
    previous.isThere && previous.canBeOpened(with: credentials.snapshotKey)
  }

  /// Whether anything is stored, be it good or not.
  var isThere: Bool { DurableFile.isThere(path) }

  /// Whether one that was set aside lies on the disk, or did when it was last looked.
  var hasSetAside: Bool { aside.withLock { $0 } }

  /// Renames what is stored. One that was set aside before makes room.
  /// - Parameter canFallBack: whether an older one may take its place
  /// - Returns: whether one has
  func setAside(canFallBack: Bool) throws(SystemError) -> Bool {
    let fallsBack = canFallBack && previous.isThere
    if fallsBack {
      // Under both names until the older one is in its place: a death in between leaves something to start from.
      try DurableFile.link(path, as: asidePath)
      try previous.takePlace()
    } else {
      try DurableFile.rename(path, to: asidePath)
    }
    aside.withLock { $0 = true }
    return fallsBack
  }

  private static let asideSuffix = ".set-aside"
  private static func path(in folder: String) -> String { folder + "/configuration.snapshot" }

  /// Removes whatever of a configuration is stored, half-written ones too, for an edge that is out of the fleet. Comes
  /// before `run`, or after it has ended.
  static func remove(from folder: String) throws(SystemError) {
    let path = path(in: folder)
    for file in [path, path + DurableFile.newSuffix, path + asideSuffix] + PreviousGood.files(of: path)
    where DurableFile.isThere(file) {
      try DurableFile.remove(file)
    }
  }

  func keep(_ state: ConfigurationState) {
    pending.withLock { $0 = state }
    changed.raise()
  }

  /// Comes before anything changes.
  /// - Parameter lastGood: what the edge started from and runs on; nothing, where it has version 0
  func begin(_ credentials: EdgeCredentials, from lastGood: ConfigurationState) {
    let stored = lastGood.version > 0 ? StoredVersion(lastGood) : nil
    previous.begin(from: stored, key: credentials.snapshotKey)
    keptBefore(previous.versions)
  }

  /// Writes what is to be kept until the task is cancelled, and then once more; and keeps apart what the edge lives with.
  /// - Parameter ended: exchanges that ended well since the process started
  func run(_ credentials: EdgeCredentials, ended: @escaping @Sendable () -> UInt64) async {
    await withTaskGroup { group in
      group.addTask { await self.writeChanges(credentials, ended) }
      group.addTask {
        while !Task.isCancelled {
          if self.previous.isOpen { self.changed.raise() }
          do { try await Task.sleep(for: .seconds(min(1, self.limits.provenSeconds))) } catch {}
        }
      }
    }
  }

  private func writeChanges(_ credentials: EdgeCredentials, _ ended: @Sendable () -> UInt64) async {
    while !Task.isCancelled {
      await changed.wait()
      // What a process proves that is asked to end is not known.
      if !Task.isCancelled, previous.prove(now: monotonicSeconds(), ended: ended()) {
        keptBefore(previous.versions)
      }
      // A large configuration is not written again for each of a row of changes.
      var pause = limits.snapshotRetrySeconds
      if let written = write(credentials) {
        pause = Double(written) / Double(limits.snapshotBytesPerSecond)
      } else {
        changed.raise()
      }
      do { try await Task.sleep(for: .seconds(pause)) } catch {}
    }
    _ = write(credentials)
  }

  /// - Returns: how many bytes were written; nil when it failed
  private func write(_ credentials: EdgeCredentials) -> Int? {
    let newest = pending.withLock { pending in
      let newest = pending
      pending = nil
      return newest
    }
    guard let newest else { return 0 }
    do {
      let written = try SnapshotFile.write(newest, to: path, with: credentials.snapshotKey)
      previous.note(StoredVersion(newest))
      stored(newest)
      aside.withLock { $0 = DurableFile.isThere(asidePath) }
      return written
    } catch {
      logger.error(
        "the configuration could not be stored; a restart would begin with an older one",
        metadata: ["version": "\(newest.version)", "reason": "\(error)"])
      pending.withLock { pending in if pending == nil { pending = newest } }
      return nil
    }
  }
}
