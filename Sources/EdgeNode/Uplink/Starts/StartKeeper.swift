// Keeps the mark of this start, so that an edge that dies of its own stored configuration does not do so for ever.

import Logging
import StraitProtocol
import Synchronization

final class StartKeeper: Sendable {
  private let path: String
  private let limits: UplinkLimits
  private let logger: Logger
  /// Of this start, while it is neither proved nor over.
  private let mark = Mutex<StartMark?>(nil)
  private let before = Atomic(0)
  /// Since when the stored configuration is being taken; nil once the edge serves by it.
  private let startingSince = Mutex<Double?>(nil)

  init(dataDirectory: String, limits: UplinkLimits, logger: Logger) {
    path = Self.path(in: dataDirectory)
    self.limits = limits
    self.logger = logger
  }

  private static func path(in folder: String) -> String { folder + "/configuration.starts" }

  /// For an edge that has no stored configuration any more.
  static func remove(from folder: String) throws(SystemError) { try DurableFile.remove(path(in: folder)) }

  /// Starts in a row that died before this one, of the same stored configuration.
  var deaths: Int { before.load(ordering: .relaxed) }

  /// Comes before the stored configuration is touched. Once for each process, however often it is called.
  func begin() {
    mark.withLock { mark in
      guard mark == nil else { return }
      let next = StartMark.next(after: read(), boot: ClockReading.now().boot)
      before.store(Int(next.deaths), ordering: .relaxed)
      write(next)
      mark = next
      startingSince.withLock { $0 = monotonicSeconds() }
    }
  }

  func serves() { startingSince.withLock { $0 = nil } }

  /// The process is asked to end, which is no death, but for a start that lasts too long: it would hang in the same place
  /// again and again, each time until somebody loses patience. May be called from any thread.
  func askedToEnd() {
    let seconds = startingSince.withLock { $0 }.map { monotonicSeconds() - $0 }
    guard let seconds, seconds >= limits.startSeconds else { return end() }
    logger.error(
      "asked to end while the start hangs on the stored configuration; that counts as if it had died of it",
      metadata: ["seconds": "\(Int(seconds))"])
  }

  /// The process ends because it was asked to, or because of something that is not the configuration's fault. May be
  /// called from any thread while it still starts.
  func end() {
    mark.withLock { mark in
      guard var last = mark, last.isUnderWay else { return }
      last.isUnderWay = false
      write(last)
      mark = last
    }
  }

  /// The edge lives with what it started from, or has put that aside: the next start knows of no death.
  func forget() {
    mark.withLock { mark in
      mark = nil
      before.store(0, ordering: .relaxed)
      do {
        try DurableFile.remove(path)
      } catch {
        logger.warning("the mark of this start stays", metadata: ["file": "\(path)", "reason": "\(error)"])
      }
    }
  }

  /// Waits until the edge has proved that it lives with what it started from.
  /// - Parameter ended: exchanges that ended well since the process started
  func awaitProof(ended: @Sendable () -> UInt64) async {
    let start = monotonicSeconds()
    while monotonicSeconds() - start < limits.provenSeconds, ended() < limits.provenExchanges {
      guard (try? await Task.sleep(for: .seconds(min(1, limits.provenSeconds)))) != nil else { return }
    }
    // A process that was asked to end proves nothing any more.
    if mark.withLock({ $0?.isUnderWay == true }) { forget() }
  }

  private func read() -> StartMark? {
    do {
      guard let bytes = try DurableFile.read(path, limitBytes: StartMark.bytes) else { return nil }
      if let mark = StartMark(bytes) { return mark }
      logger.warning("it is not known how earlier starts ended", metadata: ["file": "\(path)"])
    } catch {
      logger.warning(
        "it cannot be read how earlier starts ended", metadata: ["file": "\(path)", "reason": "\(error)"])
    }
    return nil
  }

  /// Without a mark an edge serves as well; only a death would go uncounted.
  private func write(_ mark: StartMark) {
    do {
      try DurableFile.write(mark.encoded, to: path)
    } catch {
      logger.warning("this start cannot be marked", metadata: ["file": "\(path)", "reason": "\(error)"])
    }
  }
}
