// Names to addresses, on a thread of its own: getaddrinfo blocks.

import CLinux
import Glibc
import Synchronization

package final class Resolver: Sendable {
  private struct Job {
    let host: String
    let port: UInt16
    let reply: @Sendable ([SocketAddress]) -> Void
  }

  private let jobs = Mutex<[Job]>([])
  private let waker: LoopWaker

  package init() throws {
    waker = try LoopWaker()
    let thread = WorkerThread(name: "resolver") { [self] in work() }
    try thread.start()
  }

  /// - Parameter reply: called on the resolver's thread, with no address when the name has none
  package func resolve(_ host: String, port: UInt16, reply: @escaping @Sendable ([SocketAddress]) -> Void) {
    jobs.withLock { $0.append(Job(host: host, port: port, reply: reply)) }
    waker.wake()
  }

  private func work() {
    while true {
      var poll = pollfd(fd: waker.descriptor, events: Int16(POLLIN), revents: 0)
      _ = Glibc.poll(&poll, 1, -1)
      waker.acknowledge()
      let batch = jobs.withLock { jobs in
        defer { jobs.removeAll() }
        return jobs
      }
      for job in batch { job.reply(Self.lookUp(job.host, job.port)) }
    }
  }

  private static func lookUp(_ host: String, _ port: UInt16) -> [SocketAddress] {
    var hints = addrinfo()
    hints.ai_family = AF_UNSPEC
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = AI_ADDRCONFIG
    var first: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(host, String(port), &hints, &first) == 0 else { return [] }
    defer { freeaddrinfo(first) }
    var addresses = [SocketAddress]()
    var next = first
    while let info = next?.pointee {
      addresses.append(SocketAddress(info))
      next = info.ai_next
    }
    return addresses
  }
}

/// A thread that runs one function to its end. The process ends without waiting for it.
package final class WorkerThread: @unchecked Sendable {
  // Written before the thread starts, read only by it.
  private let name: String
  private let body: @Sendable () -> Void

  package init(name: String, body: @escaping @Sendable () -> Void) {
    self.name = name
    self.body = body
  }

  package func start() throws {
    var thread = pthread_t()
    let owner = Unmanaged.passRetained(self).toOpaque()
    let result = pthread_create(
      &thread, nil,
      { owner in
        guard let owner else { return nil }
        let thread = Unmanaged<WorkerThread>.fromOpaque(owner).takeRetainedValue()
        strait_name_thread(String(thread.name.prefix(15)))
        thread.body()
        return nil
      }, owner)
    guard result == 0 else {
      Unmanaged<WorkerThread>.fromOpaque(owner).release()
      throw SystemCallError("pthread_create", result)
    }
    pthread_detach(thread)
  }
}
