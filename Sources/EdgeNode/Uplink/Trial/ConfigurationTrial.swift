// A new configuration is tried before it is put into force: a child process of this very program makes of it what a worker
// would, and looks things up in it. What traps, hangs or eats memory there does so in the child alone.

import CLinux
import Glibc
import StraitProtocol
import Synchronization

package struct ConfigurationTrial: Sendable {
  /// The program that runs: the same file even where the one on disk has been replaced meanwhile.
  package static let thisProgram = "/proc/self/exe"
  /// The first argument by which the program knows that it is to try a configuration.
  package static let argument = "--try-configuration"

  package var program = ConfigurationTrial.thisProgram
  /// From the start to the verdict. A trial takes some 50 ms; the rest is for a machine that has other things to do.
  package var seconds: Double = 20
  /// The limit is of addresses, of which a program with its libraries and threads takes some 400 MB at rest; a catalogue
  /// of ten thousand offers takes 50 MB more.
  package var memoryBytes = 1 << 30
  /// Of all its threads together.
  package var processorSeconds = 10
  /// Its three standard ones, those of its event loop, and files of certificates one after another.
  static let descriptors = 64
  /// A trial must not take the processor from those who serve.
  static let niceness: Int32 = 5
  /// Of many keys a few are tried, each with its team.
  package static let sampledKeys = 1_000
  /// Of what the child says. More is not a verdict.
  static let answerBytes = 2_048

  /// Of the edge that tries.
  package var region = ""
  package let counts = TrialCounts()

  package init() {}

  /// Whether something changes that could trap: regions, upstreams and offers, from which trust, routes and heads are
  /// made, which are texts of any kind on their way into parsers and OpenSSL.
  ///
  /// Keys and teams need no trial, and most updates change nothing else. A key is 72 bytes of which every value is a valid
  /// key once the update holds together: its digest and identifiers are compared, its expiry is compared, and none of them
  /// is parsed, indexed by or added to. Of a team a worker reads whether it is suspended, and numbers of fixed size. A
  /// changed key must be in force at a hundred edges within a second, which leaves no room for a process.
  package static func isNeeded(for next: ConfigurationState, after standing: ConfigurationState) -> Bool {
    next.catalogueRevision != standing.catalogueRevision
      && (next.regions != standing.regions || next.upstreams != standing.upstreams
        || next.offers != standing.offers)
  }

  /// - Throws: `TrialFault` in words for a person; `CancellationError` where the task was cancelled
  package func run(_ next: ConfigurationState) async throws {
    let sample = next.sample(keys: Self.sampledKeys)
    let cancelled = Flag()
    let verdict: TrialVerdict = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        // A thread of its own: the child dies with the thread that started it, and waiting for a child must not take a
        // thread from those that carry the link.
        TrialThread.start { [self] in
          TrialProcess(self, isCancelled: { cancelled.isRaised }).verdict(on: sample)
        } then: {
          continuation.resume(returning: $0)
        }
      }
    } onCancel: {
      cancelled.raise()
    }
    switch verdict {
    case .passed: counts.count(failed: false)
    case .cancelled: throw CancellationError()
    case .failed(let words):
      counts.count(failed: true)
      throw TrialFault(description: words)
    case .unable(let words):
      counts.count(failed: true)
      throw TrialFault(description: words, isVerdict: false)
    }
  }
}

/// Why a configuration did not stand its trial.
package struct TrialFault: Error, Equatable, CustomStringConvertible {
  package let description: String
  /// Whether the configuration is to blame, and not a machine that had no room or no time for the trial.
  package var isVerdict = true
}

/// Since the process started, for its metrics.
package final class TrialCounts: Sendable {
  private let counts = Mutex((passed: 0, failed: 0))

  package init() {}

  package var passed: Int { counts.withLock { $0.passed } }
  package var failed: Int { counts.withLock { $0.failed } }

  func count(failed: Bool) {
    counts.withLock { if failed { $0.failed += 1 } else { $0.passed += 1 } }
  }
}

private final class Flag: Sendable {
  private let value = Atomic(false)
  var isRaised: Bool { value.load(ordering: .relaxed) }
  func raise() { value.store(true, ordering: .relaxed) }
}

/// A thread that lives as long as one trial.
private final class TrialThread {
  private let body: () -> Void

  private init(_ body: @escaping () -> Void) { self.body = body }

  static func start(
    _ trial: @escaping @Sendable () -> TrialVerdict, then finish: @escaping @Sendable (TrialVerdict) -> Void
  ) {
    let box = Unmanaged.passRetained(TrialThread { finish(trial()) })
    var thread = pthread_t()
    let refusal = pthread_create(&thread, nil, trialThread, box.toOpaque())
    guard refusal == 0 else {
      box.release()
      return finish(.unable("the trial cannot be run: \(String(cString: strerror(refusal)))"))
    }
    pthread_detach(thread)
  }

  func run() { body() }
}

private func trialThread(_ argument: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  guard let argument else { return nil }
  strait_name_thread("trial")
  Unmanaged<TrialThread>.fromOpaque(argument).takeRetainedValue().run()
  return nil
}
