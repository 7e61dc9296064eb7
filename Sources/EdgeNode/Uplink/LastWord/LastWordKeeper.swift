// Takes the control plane's words that the edge is in step, tells the data path how long ago the last one was, and keeps
// that on disk.

import Logging
import StraitProtocol
import Synchronization

final class LastWordKeeper: Sendable {
  private struct State {
    var word: LastWord
    /// What the word was about.
    var lineage: [UInt8] = []
    var version: UInt64 = 0
    /// What the data path was told last.
    var told = Int64.min
  }

  private let path: String
  private let limits: UplinkLimits
  private let logger: Logger
  private let tell: @Sendable (Int64) -> Void
  private let state: Mutex<State>

  /// - Parameter tell: when the last word was, in microseconds of the monotonic clock; `Int64.min` for never
  init(
    dataDirectory: String, limits: UplinkLimits, logger: Logger, tell: @escaping @Sendable (Int64) -> Void
  ) {
    path = dataDirectory + "/last-word"
    self.limits = limits
    self.logger = logger
    self.tell = tell
    state = Mutex(State(word: LastWord(beginning: .now())))
  }

  /// What was known when the edge stopped; never, where that cannot be read, and where the disk has an older
  /// configuration than the one that was in step.
  func load(beside configuration: ConfigurationState) {
    do {
      guard let bytes = try DurableFile.read(path, limitBytes: LastWordFile.bytes) else { return }
      guard let stored = LastWordFile.decode(bytes) else {
        return logger.error(
          "it is not known when the control plane was last heard", metadata: ["file": "\(path)"])
      }
      guard stored.lineage == configuration.lineage, stored.version <= configuration.version else {
        return logger.warning(
          "the stored configuration is not the one that was in step last",
          metadata: ["stored": "\(configuration.version)", "in step": "\(stored.version)"])
      }
      state.withLock {
        $0.word = LastWord(stored.word, beginning: .now())
        $0.lineage = stored.lineage
        $0.version = stored.version
      }
    } catch {
      logger.error(
        "it cannot be read when the control plane was last heard",
        metadata: ["file": "\(path)", "reason": "\(error)"])
    }
    publish()
  }

  /// For a report that is about to be sent.
  var mark: Int64 { ClockReading.now().sinceBoot }

  /// - Parameter configuration: what the edge runs on
  func take(mark: Int64, about configuration: ConfigurationState) {
    let isOurs = state.withLock { state in
      guard state.word.take(mark: mark, now: .now()) else { return false }
      state.lineage = configuration.lineage
      state.version = configuration.version
      return true
    }
    guard isOurs else {
      return logger.warning("the control plane answered a report that this process has not sent")
    }
    publish()
  }

  /// What the edge runs on is no longer what that word was about.
  func forget() {
    state.withLock { $0.word.forget() }
    publish()
  }

  /// Nil for never.
  var ageSeconds: Double? {
    state.withLock { $0.word.ageMicroseconds(.now()) }.map { Double($0) / 1e6 }
  }

  /// As `tell` is told.
  var lastWordAt: Int64 { state.withLock { $0.told } }

  /// Keeps it on disk until the task is cancelled, and then once more.
  func run() async {
    var written: Double = -.infinity
    while !Task.isCancelled {
      publish()
      if monotonicSeconds() - written >= limits.lastWordStoreSeconds {
        store()
        written = monotonicSeconds()
      }
      do { try await Task.sleep(for: .seconds(limits.lastWordLookSeconds)) } catch {}
    }
    store()
  }

  /// The data path has a clock that stands still while the machine sleeps, and nobody sets it: it is told again where
  /// that matters.
  private func publish() {
    let news = state.withLock { state -> Int64? in
      let at = Self.monotonicMoment(of: state.word)
      guard at == .min ? state.told != .min : state.told == .min || abs(at - state.told) > 100_000 else {
        return nil
      }
      state.told = at
      return at
    }
    if let news { tell(news) }
  }

  private static func monotonicMoment(of word: LastWord) -> Int64 {
    guard let age = word.ageMicroseconds(.now()) else { return .min }
    return Int64(monotonicSeconds() * 1e6).subtractingSaturating(age)
  }

  private var stored: StoredLastWord? {
    state.withLock { state in
      state.word.stored(.now()).map {
        StoredLastWord(word: $0, lineage: state.lineage, version: state.version)
      }
    }
  }

  private func store() {
    do {
      guard let stored else {
        return try DurableFile.remove(path)
      }
      try DurableFile.write(LastWordFile.encode(stored), to: path)
    } catch {
      logger.error(
        "it could not be stored when the control plane was last heard; after a restart that would be longer ago",
        metadata: ["reason": "\(error)"])
    }
  }
}
