import Postgres
import TestSupport
import Testing

@Suite("Transactions")
struct TransactionTests {
  private struct Deliberate: Error {}

  private func poolWithNumbers() async throws -> PostgresPool {
    let pool = try await freshPool()
    try await pool.query("CREATE TABLE numbers (n bigint UNIQUE)")
    return pool
  }

  private func numbers(_ pool: PostgresPool) async throws -> [Int64] {
    try await pool.query("SELECT n FROM numbers ORDER BY n").map { try $0.get("n") }
  }

  @Test("commits when the body returns")
  func commit() async throws {
    let pool = try await poolWithNumbers()
    let value = try await pool.transaction { transaction in
      try await transaction.query("INSERT INTO numbers VALUES (1)")
      return "done"
    }
    #expect(value == "done")
    #expect(try await numbers(pool) == [1])
  }

  @Test("rolls back when the body throws, and the connection serves on")
  func rollback() async throws {
    let pool = try await poolWithNumbers()
    await #expect(throws: Deliberate.self) {
      try await pool.transaction { transaction in
        try await transaction.query("INSERT INTO numbers VALUES (1)")
        throw Deliberate()
      }
    }
    #expect(try await numbers(pool).isEmpty)
  }

  @Test("undoes only the savepoint whose body throws")
  func savepoint() async throws {
    let pool = try await poolWithNumbers()
    try await pool.transaction { transaction in
      try await transaction.query("INSERT INTO numbers VALUES (1)")
      await #expect(throws: Deliberate.self) {
        try await transaction.savepoint { inner in
          try await inner.query("INSERT INTO numbers VALUES (2)")
          try await inner.savepoint { try await $0.query("INSERT INTO numbers VALUES (3)") }
          throw Deliberate()
        }
      }
      try await transaction.savepoint { try await $0.query("INSERT INTO numbers VALUES (4)") }
    }
    #expect(try await numbers(pool) == [1, 4])
  }

  @Test("a failed statement inside a savepoint leaves the transaction usable; without one it does not commit")
  func failedStatement() async throws {
    let pool = try await poolWithNumbers()
    try await pool.transaction { transaction in
      try await transaction.query("INSERT INTO numbers VALUES (1)")
      let error = await databaseError {
        try await transaction.savepoint { try await $0.query("INSERT INTO numbers VALUES (1)") }
      }
      #expect(error?.kind == .uniqueViolation)
    }
    #expect(try await numbers(pool) == [1])
    let swallowed = await databaseError {
      try await pool.transaction { transaction in
        try await transaction.query("INSERT INTO numbers VALUES (2)")
        _ = await databaseError { try await transaction.query("INSERT INTO numbers VALUES (1)") }
      }
    }
    #expect(swallowed?.kind == .statement)
    #expect(try await numbers(pool) == [1])
  }

  @Test("runs again after a serialization failure")
  func serialization() async throws {
    let pool = try await poolWithNumbers()
    try await pool.query("INSERT INTO numbers VALUES (0)")
    let runs = Counter()
    try await pool.transaction(isolation: .repeatableRead) { transaction in
      let value: Int64 = try await transaction.query("SELECT n FROM numbers").single().get("n")
      if await runs.next() == 1 {
        // Another transaction changes the row between this one's reading and writing.
        try await pool.query("UPDATE numbers SET n = n + 10")
      }
      try await transaction.query("UPDATE numbers SET n = $1", value + 1)
    }
    #expect(await runs.count == 2)
    #expect(try await numbers(pool) == [11])
  }

  @Test("gives up after the named number of runs")
  func serializationBound() async throws {
    let pool = try await freshPool { $0.maximumTransactionAttempts = 3 }
    try await pool.query("CREATE TABLE numbers (n bigint)")
    try await pool.query("INSERT INTO numbers VALUES (0)")
    let runs = Counter()
    let error = await databaseError {
      try await pool.transaction(isolation: .repeatableRead) { transaction in
        try await transaction.query("SELECT n FROM numbers")
        _ = await runs.next()
        try await pool.query("UPDATE numbers SET n = n + 10")
        try await transaction.query("UPDATE numbers SET n = n + 1")
      }
    }
    #expect(error?.kind == .serialization)
    #expect(error?.retryHelps == true)
    #expect(await runs.count == 3)
  }

  @Test("two that deadlock both get through")
  func deadlock() async throws {
    let pool = try await poolWithNumbers()
    try await pool.query("CREATE TABLE accounts (id bigint PRIMARY KEY, amount bigint)")
    try await pool.query("INSERT INTO accounts VALUES (1, 0), (2, 0)")
    let gates = [Gate(), Gate()]
    @Sendable func transfer(_ mine: Int) async throws {
      try await pool.transaction { transaction in
        try await transaction.query("UPDATE accounts SET amount = amount + 1 WHERE id = $1", mine + 1)
        await gates[mine].open()
        await gates[1 - mine].pass()
        try await transaction.query("UPDATE accounts SET amount = amount + 1 WHERE id = $1", 2 - mine)
      }
    }
    async let first: Void = transfer(0)
    async let second: Void = transfer(1)
    _ = try await (first, second)
    let sum: Int64 = try await pool.query("SELECT sum(amount) AS sum FROM accounts").single().get("sum")
    #expect(sum == 4)
  }

  @Test("refuses statements after its end")
  func afterEnd() async throws {
    let pool = try await poolWithNumbers()
    let kept = try await pool.transaction { $0 }
    #expect(await databaseError { try await kept.query("SELECT 1") }?.kind == .usage)
  }
}

actor Counter {
  private(set) var count = 0

  func next() -> Int {
    count += 1
    return count
  }
}
