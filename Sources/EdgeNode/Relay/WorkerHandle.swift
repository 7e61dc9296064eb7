// What workers share, and what other threads may hold of one.

import StraitProtocol
import Synchronization

/// What the workers of a process share.
struct SharedParts: Sendable {
  let sockets: ListeningSockets
  let accessLog: AccessLog?
  let resolver: Resolver
  let gate: ConnectionGate
  let overload: Overload
  let heldRequests: HeldBytes
  let heldAnswers: HeldBytes
  let holdings: Holdings
  let logAddressRefused: @Sendable (_ upstream: String, AddressRefusal) -> Void
}

/// One worker's connections to one upstream.
struct PoolState: Sendable {
  let upstream: String
  let connections: Int
  /// Connections with nothing under way.
  let idle: Int
  /// Requests that wait for a connection.
  let waiting: Int
}

/// The part of a worker that other threads may hold.
final class WorkerHandle: Sendable {
  let counters = Counters()
  let timings = Timings()
  /// As of the last sweep.
  let pools = Mutex<[PoolState]>([])
  let waker: LoopWaker
  /// Nothing once the worker has stopped.
  private let mailbox = Mutex<[@Sendable (Worker) -> Void]?>([])

  init() throws {
    waker = try LoopWaker()
  }

  /// Has the worker's thread run `job` soon; drops it where the worker has stopped.
  func post(_ job: @escaping @Sendable (Worker) -> Void) {
    mailbox.withLock { $0?.append(job) }
    waker.wake()
  }

  /// The worker has stopped: what waits is dropped, outside the lock, because letting go of it may wake somebody.
  func close() {
    let dropped = mailbox.withLock { jobs in
      defer { jobs = nil }
      return jobs
    }
    _ = consume dropped
  }

  func takeJobs() -> [@Sendable (Worker) -> Void] {
    mailbox.withLock { jobs in
      defer { if jobs != nil { jobs = [] } }
      return jobs ?? []
    }
  }
}

/// Says when all workers have run, or dropped, the jobs that hold it.
final class AllTurns: Sendable {
  private let taken: CheckedContinuation<Void, Never>

  init(_ taken: CheckedContinuation<Void, Never>) { self.taken = taken }

  deinit { taken.resume() }
}
