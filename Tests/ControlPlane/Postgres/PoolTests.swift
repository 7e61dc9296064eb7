import Postgres
import TestSupport
import Testing

@Suite("The pool")
struct PoolTests {
  /// A task that holds a connection until the gate opens; the connection is lent when the call returns.
  private func holdConnection(of pool: PostgresPool, until gate: Gate) async -> Task<Void, any Error> {
    let lent = Gate()
    let task = Task {
      try await pool.withConnection { _ in
        await lent.open()
        await gate.pass()
      }
    }
    await lent.pass()
    return task
  }

  private func backend(_ session: some PostgresSession) async throws -> Int64 {
    try await session.query("SELECT pg_backend_pid() AS id").single().get("id")
  }

  @Test("never has more connections than its limit, and serves all")
  func bound() async throws {
    let pool = try await freshPool { $0.maximumConnections = 3 }
    let backends = try await withThrowingTaskGroup(of: Int64.self) { group in
      for _ in 0..<60 { group.addTask { try await self.backend(pool) } }
      return try await group.reduce(into: Set<Int64>()) { $0.insert($1) }
    }
    #expect(backends.count <= 3)
  }

  @Test("serves those who wait in the order in which they came")
  func order() async throws {
    let pool = try await freshPool { $0.maximumConnections = 1 }
    let gate = Gate()
    let holder = await holdConnection(of: pool, until: gate)
    let record = Record()
    var tasks: [Task<Void, any Error>] = []
    for number in 0..<8 {
      tasks.append(Task { try await pool.withConnection { _ in await record.append(number) } })
      try await until { pool.waiterCount == number + 1 }
    }
    await gate.open()
    try await holder.value
    for task in tasks { try await task.value }
    #expect(await record.numbers == Array(0..<8))
  }

  @Test("refuses at once when too many wait, and after a time when nothing comes back")
  func exhaustion() async throws {
    let pool = try await freshPool {
      $0.maximumConnections = 1
      $0.maximumWaiters = 1
      $0.acquireTimeoutSeconds = 1
    }
    let gate = Gate()
    let holder = await holdConnection(of: pool, until: gate)
    async let waiting = databaseError { try await pool.query("SELECT 1") }
    try await until { pool.waiterCount == 1 }
    let refused = await databaseError { try await pool.query("SELECT 1") }
    #expect(refused?.kind == .poolExhausted)
    #expect(refused?.retryHelps == true)
    #expect(await waiting?.kind == .poolExhausted)
    await gate.open()
    try await holder.value
    #expect(try await pool.query("SELECT 1").count == 1)
  }

  @Test("passes over those who were cancelled while they waited")
  func cancelledWaiter() async throws {
    let pool = try await freshPool { $0.maximumConnections = 1 }
    let gate = Gate()
    let holder = await holdConnection(of: pool, until: gate)
    let cancelled = Task { try await pool.query("SELECT 1") }
    try await until { pool.waiterCount == 1 }
    let served = Task { try await pool.query("SELECT 2") }
    try await until { pool.waiterCount == 2 }
    cancelled.cancel()
    await #expect(throws: CancellationError.self) { try await cancelled.value }
    #expect(pool.waiterCount == 1)
    await gate.open()
    try await holder.value
    #expect(try await served.value.count == 1)
  }

  @Test("replaces a connection that died while it was idle")
  func deadIdleConnection() async throws {
    let url = try await PostgresCluster.freshDatabase()
    let pool = try openPool(on: url) { $0.maximumConnections = 1 }
    let first = try await backend(pool)
    // Waits up to 60 s until the server's process is gone.
    try await openPool(on: url).query("SELECT pg_terminate_backend($1, 60000)", Int32(first))
    #expect(try await backend(pool) != first)
  }

  @Test("does not pass on a connection with an open transaction")
  func openTransaction() async throws {
    let pool = try await freshPool { $0.maximumConnections = 1 }
    let first = try await pool.withConnection { connection in
      try await connection.query("BEGIN")
      return try await self.backend(connection)
    }
    #expect(try await backend(pool) != first)
    let again = try await backend(pool)
    #expect(try await backend(pool) == again)
  }

  @Test("closed, it refuses who waits and who comes, and lets who has a connection finish")
  func close() async throws {
    let pool = try await freshPool { $0.maximumConnections = 1 }
    let gate = Gate()
    let holder = Task {
      try await pool.withConnection { connection in
        await gate.pass()
        return try await connection.query("SELECT 1").count
      }
    }
    let waiting = Task { try await pool.query("SELECT 1") }
    try await until { pool.waiterCount == 1 }
    await pool.close()
    await gate.open()
    let results = [
      await databaseError { try await waiting.value }, await databaseError { _ = try await holder.value },
    ]
    // Whichever of the two came first has the connection.
    #expect(results.compactMap { $0?.kind } == [.poolExhausted])
    #expect(await databaseError { try await pool.query("SELECT 1") }?.kind == .poolExhausted)
  }
}

actor Record {
  private(set) var numbers: [Int] = []

  func append(_ number: Int) { numbers.append(number) }
}
