// Runs the revocation lane's tasks on a Dispatch queue of their own: the few threads that all other tasks share may be
// busy for seconds with snapshots.

import Dispatch

final class LaneExecutor: TaskExecutor {
  static let shared = LaneExecutor()

  private let queue = DispatchQueue(label: "revocations")

  func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
  }
}
