// Asks the server to give up a connection's current statement.

import CLibpq
import Dispatch
import Synchronization

/// Owns a `PGcancel`.
///
/// `@unchecked` because of the pointer: what it points to never changes after `PQgetCancel`, and `PQcancel` is
/// documented to be safe from any thread.
final class LibpqCancellation: @unchecked Sendable {
  private let cancellation: OpaquePointer

  init(_ cancellation: OpaquePointer) { self.cancellation = cancellation }

  deinit { PQfreeCancel(cancellation) }

  /// Sends the request over a connection of its own and waits until the server has passed it on.
  ///
  /// libpq 15 can only do this with a blocked thread, so it is a thread of Dispatch's and not of Swift's tasks.
  /// - Returns: false when that took longer than `seconds`; the request may then still arrive at any time
  func send(within seconds: Int) async -> Bool {
    await withCheckedContinuation { continuation in
      let answer = OneAnswer(continuation)
      DispatchQueue.global().async {
        var reason = [CChar](repeating: 0, count: 256)
        answer.give(PQcancel(self.cancellation, &reason, Int32(reason.count)) == 1)
      }
      DispatchQueue.global().asyncAfter(deadline: .now() + .seconds(seconds)) { answer.give(false) }
    }
  }
}

/// A continuation that the first of two resumes.
private final class OneAnswer: Sendable {
  private let continuation: Mutex<CheckedContinuation<Bool, Never>?>

  init(_ continuation: CheckedContinuation<Bool, Never>) { self.continuation = Mutex(continuation) }

  func give(_ value: Bool) {
    continuation.withLock { continuation in continuation.take() }?.resume(returning: value)
  }
}
