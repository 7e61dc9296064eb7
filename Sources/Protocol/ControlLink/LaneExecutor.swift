// Runs the revocation lane's tasks on Dispatch queues of their own: the few threads that all other tasks share may be busy
// for seconds with a snapshot of a million keys.

import Dispatch

/// Tasks refer to their executor without holding it: make one for as long as the process lives.
package final class LaneExecutor: TaskExecutor {
  private let queue: DispatchQueue

  package init(_ label: String) { queue = DispatchQueue(label: label) }

  package func enqueue(_ job: consuming ExecutorJob) {
    let job = UnownedJob(job)
    queue.async { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
  }
}
