// A bounded set of connections, handed out in the order of asking.

import Logging
import Synchronization

/// The bounds of a pool.
package struct PostgresPoolLimits: Sendable {
  package var maximumConnections = 8
  /// Tasks that may wait for a connection; the next one is refused at once.
  package var maximumWaiters = 256
  /// From asking to having a turn. Connecting has its own limit.
  package var acquireTimeoutSeconds = 10
  /// How often a transaction is run before a serialization failure or a deadlock is passed on.
  package var maximumTransactionAttempts = 5

  package init() {}
}

/// Connections are opened when they are first needed, and replaced when they turn out to be dead.
package final class PostgresPool: PostgresSession {
  private typealias Turn = PoolTurn<PostgresConnection>
  private typealias Waiter = CheckedContinuation<Turn, any Error>

  let configuration: PostgresConfiguration
  let limits: PostgresPoolLimits
  let logger: Logger
  private let state: Mutex<PoolState<PostgresConnection, Waiter>>
  private let waitersSeen = Atomic<UInt64>(0)

  package init(
    _ configuration: PostgresConfiguration, limits: PostgresPoolLimits = PostgresPoolLimits(), logger: Logger
  ) {
    self.configuration = configuration
    self.limits = limits
    self.logger = logger
    state = Mutex(
      PoolState(maximumResources: limits.maximumConnections, maximumWaiters: limits.maximumWaiters))
  }

  @discardableResult
  package func query(_ statement: Statement, parameters: [any PostgresEncodable]) async throws -> PostgresRows
  {
    try await withConnection { try await $0.query(statement, parameters: parameters) }
  }

  /// Lends a connection for the time of `body`, which must not keep it.
  /// - Throws: what `body` throws; `PostgresError` of kind `poolExhausted` when there was none within the limits, of
  ///   kind `connection` when none could be made; `CancellationError`
  @discardableResult
  package func withConnection<Value: Sendable>(
    _ body: @Sendable (PostgresConnection) async throws -> Value
  ) async throws -> Value {
    let connection = try await acquire()
    do {
      let value = try await body(connection)
      await release(connection)
      return value
    } catch {
      await release(connection)
      throw error
    }
  }

  /// Runs `body` in a transaction: committed when it returns, rolled back when it throws.
  ///
  /// A serialization failure or a deadlock rolls back and runs `body` again, up to
  /// `PostgresPoolLimits.maximumTransactionAttempts`: `body` has no effects but those on its transaction, and lets such
  /// errors through.
  @discardableResult
  package func transaction<Value: Sendable>(
    isolation: PostgresIsolation = .readCommitted,
    _ body: @Sendable (PostgresTransaction) async throws -> Value
  ) async throws -> Value {
    var attempt = 1
    while true {
      do {
        return try await withConnection { try await $0.transaction(isolation: isolation, body) }
      } catch let error as PostgresError
        where error.kind == .serialization && attempt < limits.maximumTransactionAttempts
      {
        // The two that met would meet again if both came back at once.
        try await Task.sleep(for: .milliseconds(Int.random(in: 0..<(10 * attempt))))
        attempt += 1
      }
    }
  }

  /// Tasks that wait for a connection now.
  package var waiterCount: Int { state.withLock { $0.waiterCount } }

  /// Refuses new work, ends idle connections at once and lent ones when they come back.
  package func close() async {
    let (waiters, idle) = state.withLock { $0.close() }
    for waiter in waiters {
      waiter.resume(throwing: PostgresError(.poolExhausted, "the connection pool is closed"))
    }
    for connection in idle { await connection.close() }
  }

  // MARK: Lending

  private func acquire() async throws -> PostgresConnection {
    if case .use(let connection) = try await nextTurn() {
      if await connection.isAlive() { return connection }
      // It died while it was idle; its slot stays ours for another.
      await connection.close()
    }
    do {
      return try await PostgresConnection.connect(configuration, logger: logger)
    } catch {
      giveBack(nil)
      throw error
    }
  }

  private func release(_ connection: PostgresConnection) async {
    if await connection.isReusable() {
      giveBack(connection)
    } else {
      await connection.close()
      giveBack(nil)
    }
  }

  private func giveBack(_ connection: PostgresConnection?) {
    switch state.withLock({ $0.giveBack(connection) }) {
    case .hand(let waiter, let turn): waiter.resume(returning: turn)
    case .discard(let connection): Task { await connection.close() }
    case .nothing: break
    }
  }

  private func nextTurn() async throws -> Turn {
    try Task.checkCancellation()
    // The usual case, without a timer and without waiting. Any other answer changes nothing and is asked for again.
    if case .take(let turn) = state.withLock({ $0.ask() }) { return turn }
    let id = waitersSeen.add(1, ordering: .relaxed).newValue
    let timer = Task {
      try await Task.sleep(for: .seconds(limits.acquireTimeoutSeconds))
      abandon(id, PostgresError(.poolExhausted, "no connection within \(limits.acquireTimeoutSeconds) s"))
    }
    defer { timer.cancel() }
    return try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { waiter in ask(waiter, id: id) }
    } onCancel: {
      abandon(id, CancellationError())
    }
  }

  private func ask(_ waiter: Waiter, id: UInt64) {
    let outcome = state.withLock { state -> Result<Turn, any Error>? in
      // Whoever is cancelled from here on finds the waiter in its place, since that needs the lock.
      if Task.isCancelled { return .failure(CancellationError()) }
      switch state.ask() {
      case .take(let turn): return .success(turn)
      case .refuse(let error): return .failure(error)
      case .wait:
        state.enqueue(waiter, id: id)
        return nil
      }
    }
    if let outcome { waiter.resume(with: outcome) }
  }

  private func abandon(_ id: UInt64, _ error: any Error) {
    state.withLock { $0.abandon(id: id) }?.resume(throwing: error)
  }
}
