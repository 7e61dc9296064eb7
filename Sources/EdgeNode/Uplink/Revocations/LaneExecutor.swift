// Runs the revocation lane's tasks on a Dispatch queue of its own: the few threads that all other tasks share may be busy
// for seconds with a snapshot of a million keys.

import Dispatch

final class LaneExecutor: TaskExecutor {
  // Tasks refer to their executor without holding it, so these live as long as the process.
  static let watching = LaneExecutor("revocations")
  /// Apart from the other: a slow disk must not hold up what is to be enforced next.
  static let storing = LaneExecutor("revocations on disk")

  private let queue: DispatchQueue

  private init(_ label: String) { queue = DispatchQueue(label: label) }

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
  }
}
