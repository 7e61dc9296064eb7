// The workers of one process as a whole: started, given configurations, drained and stopped together.

import CLinux
import Glibc
import StraitProtocol
import Synchronization

package final class Edge: Sendable {
  private struct State {
    var tables: PolicyTables
    var revocations: RevocationTable
    var lastWordAt = Int64.min
    var running = 0
    var onStopped: [@Sendable () -> Void] = []
  }

  private let settings: EdgeSettings
  private let sink: any UsageSink
  private let handles: [WorkerHandle]
  private let state: Mutex<State>
  private let gate: ConnectionGate
  private let overload: Overload
  private let accessLog: AccessLog?
  private let logAddressRefused: @Sendable (_ upstream: String, AddressRefusal) -> Void
  private let extraGauges: @Sendable () -> [(name: String, value: Double)]

  /// - Parameters:
  ///   - revocations: what is refused whatever the tables say
  ///   - logAddressRefused: told on a worker's thread that an upstream has an address that is not connected to; again
  ///     only when that changes
  ///   - gauges: values for `/metrics` that the data path does not know
  package init(
    settings: EdgeSettings, tables: PolicyTables, revocations: RevocationTable = .empty, sink: any UsageSink,
    accessLog: AccessLog? = nil,
    logAddressRefused: @escaping @Sendable (_ upstream: String, AddressRefusal) -> Void = { _, _ in },
    gauges: @escaping @Sendable () -> [(name: String, value: Double)]
  ) throws {
    self.settings = settings
    self.sink = sink
    self.accessLog = accessLog
    self.logAddressRefused = logAddressRefused
    extraGauges = gauges
    let limits = settings.limits
    gate = ConnectionGate(
      limit: limits.connections ?? Self.connectionLimit(descriptors: strait_raise_descriptor_limit()),
      perAddress: limits.ofAddress)
    overload = Overload(
      MemoryPressure(
        limitBytes: limits.memoryBytes ?? MemoryLimit.ofProcess, drainPercent: limits.memoryDrainPercent,
        refusePercent: limits.memoryRefusePercent, resetPercent: limits.memoryResetPercent))
    handles = try (0..<max(1, settings.workers)).map { _ in try WorkerHandle() }
    state = Mutex(State(tables: tables, revocations: revocations))
  }

  /// A little below half, because each client may have an upstream's connection, and files need descriptors too.
  private static func connectionLimit(descriptors: Int) -> Int {
    max(16, descriptors / 2 - 64)
  }

  /// Binds all listeners and starts the workers' threads.
  /// - Throws: `SystemCallError` when an address cannot be listened on; nothing runs then
  package func start(tls: TLSContext) throws {
    let sockets = try ListeningSockets(address: settings.listen, count: handles.count)
    let shared = SharedParts(
      sockets: sockets, accessLog: accessLog, resolver: try Resolver(), gate: gate, overload: overload,
      heldRequests: HeldBytes(limit: settings.limits.heldBodyBytes),
      heldAnswers: HeldBytes(limit: settings.limits.heldAnswerBytes),
      holdings: Holdings(workers: settings.workers, share: settings.limits.heldShareOfAddress),
      logAddressRefused: logAddressRefused)
    let admin = adminFacts
    let (tables, revocations) = state.withLock { ($0.tables, $0.revocations) }
    for (index, handle) in handles.enumerated() {
      let started = Mutex<SystemCallError?>(nil)
      let ready = ThreadGate()
      let thread = WorkerThread(name: "worker-\(index)") { [self] in
        strait_pool_prepare_thread()
        strait_request_short_slices()
        do {
          let worker = try Worker(
            settings: settings, handle: handle, tls: tls, policy: tables, revocations: revocations,
            sink: sink, shared: shared, index: index)
          worker.lastWordAt = state.withLock { $0.lastWordAt }
          if index == 0 { try worker.serveAdmin(settings.adminListen, admin) }
          state.withLock { $0.running += 1 }
          ready.open()
          worker.run()
          handle.close()
          workerStopped()
        } catch {
          started.set(error as? SystemCallError ?? SystemCallError("start", EINVAL))
          ready.open()
        }
      }
      try thread.start()
      ready.wait()
      if let failure = started.withLock({ $0 }) { throw failure }
    }
  }

  /// Puts a configuration into force at every worker.
  package func adopt(_ tables: PolicyTables) {
    state.withLock { $0.tables = tables }
    for handle in handles {
      handle.post { $0.adopt(tables) }
    }
  }

  /// Refuses these keys and teams at every worker, and cuts their streams, whatever the configuration says. Returns when
  /// every worker does so.
  package func adopt(_ revocations: RevocationTable) async {
    state.withLock { $0.revocations = revocations }
    await withCheckedContinuation { continuation in
      let turns = AllTurns(continuation)
      for handle in handles {
        handle.post { worker in
          worker.adopt(revocations)
          withExtendedLifetime(turns) {}
        }
      }
    }
  }

  /// Says when the control plane's last word was, in microseconds of the loops' clock. Teams with a staleness limit are
  /// refused when that is too long ago; before the first call it is.
  package func adopt(lastWordAt: Int64) {
    state.withLock { $0.lastWordAt = lastWordAt }
    for handle in handles {
      handle.post { $0.lastWordAt = lastWordAt }
    }
  }

  package func use(_ tls: TLSContext) {
    for handle in handles { handle.post { $0.use(tls) } }
  }

  package var activeExchanges: UInt64 {
    handles.reduce(0) { $0 + $1.counters.read(.exchangesActive) }
  }

  /// What is in force.
  package var tables: PolicyTables { state.withLock { $0.tables } }

  /// Of exchanges that ended, since the process started, with the upstreams and offers in force under which they had
  /// begun: all, and those that failed by a fault of the edge or of an upstream.
  package var exchangeCounts: (ended: UInt64, failed: UInt64) {
    handles.reduce((0, 0)) { sum, handle in
      (sum.0 + handle.counters.read(.exchangesJudged), sum.1 + handle.counters.read(.exchangesJudgedFailed))
    }
  }

  package var version: UInt64 { state.withLock { $0.tables.version } }

  /// Takes no more clients, lets exchanges end within the window, and returns when all workers have stopped.
  package func drain(windowMicroseconds: Int64) async {
    for handle in handles { handle.post { $0.drain(windowMicroseconds: windowMicroseconds) } }
    await withCheckedContinuation { continuation in
      let isStopped = state.withLock { state in
        if state.running > 0 { state.onStopped.append { continuation.resume() } }
        return state.running == 0
      }
      if isStopped { continuation.resume() }
    }
  }

  private func workerStopped() {
    let waiting = state.withLock { state -> [@Sendable () -> Void] in
      state.running -= 1
      guard state.running == 0 else { return [] }
      defer { state.onStopped = [] }
      return state.onStopped
    }
    for resume in waiting { resume() }
  }

  private var adminFacts: AdminFacts {
    AdminFacts(
      isReady: { [self] in version > 0 },
      metrics: { [self] in
        let own = [
          ("strait_edge_configuration_version", Double(version)),
          ("strait_edge_revocations_ahead", Double(state.withLock { $0.revocations.count })),
          ("strait_edge_memory_bytes", Double(overload.usedBytes)),
          ("strait_edge_memory_limit_bytes", Double(overload.limitBytes)),
          ("strait_edge_memory_level", Double(overload.level.rawValue)),
        ]
        let log = accessLog.map {
          [
            ("strait_edge_access_log_lines", Double($0.written)),
            ("strait_edge_access_log_dropped", Double($0.dropped)),
          ]
        }
        return Metrics.text(handles, gauges: own + (log ?? []) + extraGauges())
      })
  }
}

/// Lets one thread wait until another has come so far.
private final class ThreadGate: Sendable {
  private let waker: Mutex<Bool> = Mutex(false)

  func open() {
    waker.withLock { $0 = true }
  }

  func wait() {
    while !waker.withLock({ $0 }) { usleep(500) }
  }
}

extension Mutex where Value == SystemCallError? {
  fileprivate borrowing func set(_ value: SystemCallError) {
    withLock { $0 = value }
  }
}
