// Waits for a socket without holding a thread.

import Dispatch
import Synchronization

enum Readiness: Sendable {
  case ready
  case timedOut
  case cancelled
}

/// One wait for one socket: whatever happens first, readiness, the deadline or the task's cancellation, ends it.
///
/// The sources live only as long as the wait, and the task resumes after the last of them is gone: libpq may close the
/// socket and open another with the same number as soon as it is called again.
final class SocketWait: Sendable {
  /// `@unchecked` because Dispatch's sources are not marked Sendable; they are, and are only touched under the lock.
  private struct State: @unchecked Sendable {
    var outcome: Readiness?
    var sources: [any DispatchSourceProtocol] = []
    var liveSources = 0
    var continuation: CheckedContinuation<Readiness, Never>?
  }

  private let state = Mutex(State())

  /// - Parameter watchesCancellation: false for work that must come to its end, such as ROLLBACK
  static func wait(
    for socket: Int32, reading: Bool, writing: Bool, until deadline: DispatchTime, watchesCancellation: Bool,
    on queue: DispatchQueue
  ) async -> Readiness {
    let wait = SocketWait()
    let begin = { (continuation: CheckedContinuation<Readiness, Never>) in
      wait.begin(continuation, socket, reading: reading, writing: writing, deadline, queue)
    }
    guard watchesCancellation else { return await withCheckedContinuation(begin) }
    return await withTaskCancellationHandler {
      await withCheckedContinuation(begin)
    } onCancel: {
      wait.end(.cancelled)
    }
  }

  private func begin(
    _ continuation: CheckedContinuation<Readiness, Never>, _ socket: Int32, reading: Bool, writing: Bool,
    _ deadline: DispatchTime, _ queue: DispatchQueue
  ) {
    var sources: [any DispatchSourceProtocol] = []
    if reading { sources.append(DispatchSource.makeReadSource(fileDescriptor: socket, queue: queue)) }
    if writing { sources.append(DispatchSource.makeWriteSource(fileDescriptor: socket, queue: queue)) }
    for source in sources { source.setEventHandler { self.end(.ready) } }
    if deadline != .distantFuture {
      let timer = DispatchSource.makeTimerSource(queue: queue)
      timer.schedule(deadline: deadline)
      timer.setEventHandler { self.end(.timedOut) }
      sources.append(timer)
    }
    for source in sources { source.setCancelHandler { self.sourceEnded() } }
    let isOver = state.withLock { state in
      state.continuation = continuation
      state.sources = sources
      state.liveSources = sources.count
      return state.outcome != nil
    }
    for source in sources { source.activate() }
    // Cancelled before it began: the sources still have to go the way of all sources.
    if isOver { for source in sources { source.cancel() } }
  }

  private func end(_ outcome: Readiness) {
    let sources = state.withLock { state -> [any DispatchSourceProtocol] in
      guard state.outcome == nil else { return [] }
      state.outcome = outcome
      defer { state.sources = [] }
      return state.sources
    }
    for source in sources { source.cancel() }
  }

  private func sourceEnded() {
    let finished = state.withLock { state -> (CheckedContinuation<Readiness, Never>, Readiness)? in
      state.liveSources -= 1
      guard state.liveSources == 0, let continuation = state.continuation.take(), let outcome = state.outcome
      else { return nil }
      return (continuation, outcome)
    }
    if let (continuation, outcome) = finished { continuation.resume(returning: outcome) }
  }
}
