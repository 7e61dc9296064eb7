// Keeps the newest applied configuration on disk, apart from the path that applies it: a burst of updates is written
// once, and a slow disk delays no acknowledgement.

import Glibc
import Logging
import StraitProtocol
import Synchronization

final class SnapshotKeeper: Sendable {
  private let path: String
  /// Where one goes that the edge died of, for whoever looks into it.
  let asidePath: String
  private let limits: UplinkLimits
  private let logger: Logger
  private let stored: @Sendable (ConfigurationState) -> Void
  private let pending = Mutex<ConfigurationState?>(nil)
  private let changed = Signal()
  private let aside: Mutex<Bool>

  /// - Parameter stored: told of every configuration that a restart would find
  init(
    dataDirectory: String, limits: UplinkLimits, logger: Logger,
    stored: @escaping @Sendable (ConfigurationState) -> Void
  ) {
    self.stored = stored
    path = dataDirectory + "/configuration.snapshot"
    asidePath = path + ".set-aside"
    aside = Mutex(Self.isThere(asidePath))
    self.limits = limits
    self.logger = logger
  }

  /// The stored configuration; nil when there is none, or none that can be used, which is logged.
  func load(_ credentials: EdgeCredentials) -> ConfigurationState? {
    do {
      return try SnapshotFile.read(path, limitBytes: limits.snapshotBytes, with: credentials.snapshotKey)
    } catch {
      logger.error(
        "the stored configuration cannot be used; waiting for the control plane's",
        metadata: ["file": "\(path)", "reason": "\(error)"])
      return nil
    }
  }

  /// Whether anything is stored, be it good or not.
  var isThere: Bool { Self.isThere(path) }

  /// Whether one that was set aside lies on the disk, or did when it was last looked.
  var hasSetAside: Bool { aside.withLock { $0 } }

  /// Renames what is stored. One that was set aside before makes room.
  func setAside() throws(SystemError) {
    try DurableFile.rename(path, to: asidePath)
    aside.withLock { $0 = true }
  }

  /// Removes what is stored, for an edge that is out of the fleet. Comes after `run` has ended.
  func remove() throws {
    try DurableFile.remove(path)
    try DurableFile.remove(asidePath)
  }

  private static func isThere(_ path: String) -> Bool {
    var status = stat()
    return lstat(path, &status) == 0
  }

  func keep(_ state: ConfigurationState) {
    pending.withLock { $0 = state }
    changed.raise()
  }

  /// Writes what is to be kept until the task is cancelled, and then once more.
  func run(_ credentials: EdgeCredentials) async {
    while !Task.isCancelled {
      await changed.wait()
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
      stored(newest)
      aside.withLock { $0 = Self.isThere(asidePath) }
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
