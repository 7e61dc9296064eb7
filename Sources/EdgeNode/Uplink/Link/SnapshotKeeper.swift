// Keeps the newest applied configuration on disk, apart from the path that applies it: a burst of updates is written
// once, and a slow disk delays no acknowledgement.

import Logging
import StraitProtocol
import Synchronization

final class SnapshotKeeper: Sendable {
  private let path: String
  private let limits: UplinkLimits
  private let logger: Logger
  private let pending = Mutex<ConfigurationState?>(nil)
  private let changed = Signal()

  init(dataDirectory: String, limits: UplinkLimits, logger: Logger) {
    path = dataDirectory + "/configuration.snapshot"
    self.limits = limits
    self.logger = logger
  }

  /// The stored configuration; nil when there is none, or none that can be used, which is logged.
  func load(_ credentials: EdgeCredentials) -> ConfigurationState? {
    do {
      guard let bytes = try DurableFile.read(path, limitBytes: limits.snapshotBytes) else { return nil }
      return try SnapshotFile.open(bytes, with: credentials.snapshotKey)
    } catch {
      logger.error(
        "the stored configuration cannot be used; waiting for the control plane's",
        metadata: ["file": "\(path)", "reason": "\(error)"])
      return nil
    }
  }

  func keep(_ state: ConfigurationState) {
    pending.withLock { $0 = state }
    changed.raise()
  }

  /// Writes what is to be kept until the task is cancelled, and then once more.
  func run(_ credentials: EdgeCredentials) async {
    while !Task.isCancelled {
      await changed.wait()
      if !write(credentials) {
        do { try await Task.sleep(for: .seconds(limits.snapshotRetrySeconds)) } catch {}
        changed.raise()
      }
    }
    _ = write(credentials)
  }

  private func write(_ credentials: EdgeCredentials) -> Bool {
    let newest = pending.withLock { pending in
      let newest = pending
      pending = nil
      return newest
    }
    guard let newest else { return true }
    do {
      try DurableFile.write(SnapshotFile.seal(newest, with: credentials.snapshotKey), to: path)
      return true
    } catch {
      logger.error(
        "the configuration could not be stored; a restart would begin with an older one",
        metadata: ["version": "\(newest.version)", "reason": "\(error)"])
      pending.withLock { pending in if pending == nil { pending = newest } }
      return false
    }
  }
}
