// Runs an actor's jobs on a Dispatch queue of its own.

import Dispatch

/// libpq looks host names up with a blocking call. On this executor that holds up the one connection and a thread of
/// Dispatch's, and none of the few threads that all other tasks share.
final class QueueExecutor: SerialExecutor {
  let queue: DispatchQueue

  init(label: String) { queue = DispatchQueue(label: label) }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
  }

  func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }
}
