// The stored configuration before the present one that the edge is known to have lived with, for a start that dies of the
// present one. It is another name of a file that was written anyway.

import Crypto
import Glibc
import Logging
import StraitProtocol
import Synchronization

/// Of which database and version a stored configuration is.
package struct StoredVersion: Sendable, Equatable {
  package var lineage: [UInt8]
  package var version: UInt64

  package init(lineage: [UInt8], version: UInt64) {
    self.lineage = lineage
    self.version = version
  }

  package init(_ state: ConfigurationState) {
    self.init(lineage: state.lineage, version: state.version)
  }
}

final class PreviousGood: Sendable {
  private struct State {
    var proof: StoredProof
    var stored: StoredVersion?
    /// Of the file with the second name, while there is one, and of the previous good one.
    var named: StoredVersion?
    var previous: StoredVersion?
  }

  private let snapshot: String
  private let path: String
  /// The second name, until the file is proved.
  private let namedPath: String
  private let logger: Logger
  private let state: Mutex<State>

  init(of snapshot: String, limits: UplinkLimits, logger: Logger) {
    self.snapshot = snapshot
    path = snapshot + Self.suffix
    namedPath = snapshot + Self.namedSuffix
    self.logger = logger
    state = Mutex(
      State(proof: StoredProof(seconds: limits.provenSeconds, exchanges: limits.provenExchanges)))
  }

  // MARK: While the edge lives

  /// - Parameter stored: what the edge started from, and runs on
  func begin(from stored: StoredVersion?, key: SymmetricKey) {
    unlink(namedPath)
    let previous = readVersion(key)
    state.withLock { $0.previous = previous }
    if let stored { note(stored, isProven: previous != nil && isSameFile) }
  }

  /// What a start may find where the stored file is of no use, now or after the next step.
  var versions: [StoredVersion] { state.withLock { [$0.previous, $0.named].compactMap { $0 } } }

  /// The stored file was written anew.
  func note(_ stored: StoredVersion, isProven: Bool = false) {
    state.withLock {
      $0.stored = stored
      $0.proof.store(isProven: isProven)
    }
  }

  var isOpen: Bool { state.withLock { $0.proof.isOpen } }

  /// Takes the step that is due, where one is. Not at the same time as `note`, or a writing.
  /// - Parameter ended: exchanges that ended well
  /// - Returns: whether `versions` are others now
  func prove(now: Double, ended: UInt64) -> Bool {
    let step = state.withLock { $0.proof.next(now: now, ended: ended) }
    do {
      switch step {
      case nil: return false
      case .name:
        unlink(namedPath)
        guard link(snapshot, namedPath) == 0 else { throw SystemError("link", snapshot) }
        state.withLock { $0.named = $0.stored }
      case .promote:
        try DurableFile.rename(namedPath, to: path)
        state.withLock {
          $0.previous = $0.named
          $0.named = nil
        }
      }
      return true
    } catch {
      logger.warning(
        "the configuration that the edge lives with could not be kept; a start that dies has an older one, or none",
        metadata: ["reason": "\(error)"])
      // What has the second name may have become the previous one all the same, so that it still counts.
      state.withLock { $0.proof.giveUp() }
      return false
    }
  }

  // MARK: When it does not

  /// Whether there is one, other than the stored file itself.
  var isThere: Bool { Self.inode(path).map { $0 != Self.inode(snapshot) } ?? false }

  /// By its beginning; what follows may be damaged all the same.
  func canBeOpened(with key: SymmetricKey) -> Bool { readVersion(key) != nil }

  /// Puts it in the stored file's place.
  func takePlace() throws(SystemError) {
    try DurableFile.rename(path, to: snapshot)
  }

  private static let suffix = ".previous"
  private static let namedSuffix = ".unproved"

  /// What there may be of stored configurations before the present one.
  static func files(of snapshot: String) -> [String] { [snapshot + suffix, snapshot + namedSuffix] }

  private var isSameFile: Bool { Self.inode(path) != nil && Self.inode(path) == Self.inode(snapshot) }

  private static func inode(_ path: String) -> UInt64? {
    var status = stat()
    return lstat(path, &status) == 0 ? UInt64(status.st_ino) : nil
  }

  /// One that cannot be read is of no use.
  private func readVersion(_ key: SymmetricKey) -> StoredVersion? {
    do {
      return try SnapshotFile.version(path, with: key)
    } catch {
      logger.warning(
        "the previous configuration cannot be used", metadata: ["file": "\(path)", "reason": "\(error)"])
      unlink(path)
      return nil
    }
  }
}
