// Names to addresses, on threads of its own: getaddrinfo blocks, and of a name whose servers are silent for many seconds.

import CLinux
import Glibc
import Synchronization

package final class Resolver: Sendable {
  private struct Job {
    let host: String
    let port: UInt16
    let reply: @Sendable ([SocketAddress]) -> Void
  }

  private struct State {
    var jobs: [Job] = []
    /// Hosts that a thread is asking for.
    var asked: Set<String> = []
  }

  /// So many names are looked up side by side. One name takes one thread, however many ask for it.
  private static let threads = 8

  private let state = Mutex(State())
  private let waker: LoopWaker

  package init() throws {
    waker = try LoopWaker()
    for number in 0..<Self.threads {
      try WorkerThread(name: "resolver-\(number)") { [self] in work() }.start()
    }
  }

  /// - Parameter reply: called on a thread of the resolver, with no address when the name has none
  package func resolve(_ host: String, port: UInt16, reply: @escaping @Sendable ([SocketAddress]) -> Void) {
    state.withLock { $0.jobs.append(Job(host: host, port: port, reply: reply)) }
    waker.wake()
  }

  private func work() {
    while true {
      var poll = pollfd(fd: waker.descriptor, events: Int16(POLLIN), revents: 0)
      _ = Glibc.poll(&poll, 1, -1)
      waker.acknowledge()
      while let (host, jobs) = takeJobs() {
        let addresses = Self.lookUp(host)
        _ = state.withLock { $0.asked.remove(host) }
        for job in jobs { job.reply(addresses.map { $0.withPort(job.port) }) }
      }
    }
  }

  /// The next host that nobody asks for, and who wants it. Another thread is woken for what is left.
  private func takeJobs() -> (host: String, jobs: [Job])? {
    let (taken, isMore) = state.withLock { state -> ((host: String, jobs: [Job])?, Bool) in
      guard let host = state.jobs.first(where: { !state.asked.contains($0.host) })?.host else {
        return (nil, false)
      }
      let jobs = state.jobs.filter { $0.host == host }
      state.jobs.removeAll { $0.host == host }
      state.asked.insert(host)
      return ((host, jobs), !state.jobs.isEmpty)
    }
    if isMore { waker.wake() }
    return taken
  }

  private static func lookUp(_ host: String) -> [SocketAddress] {
    var hints = addrinfo()
    hints.ai_family = AF_UNSPEC
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    hints.ai_flags = AI_ADDRCONFIG
    var first: UnsafeMutablePointer<addrinfo>?
    guard getaddrinfo(host, nil, &hints, &first) == 0 else { return [] }
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
