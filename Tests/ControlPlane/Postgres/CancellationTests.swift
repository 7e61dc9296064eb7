import Postgres
import TestSupport
import Testing

@Suite("Cancellation")
struct CancellationTests {
  private static let sleeping: Statement = "SELECT pg_sleep(600) /* cancelled */"

  private func isSleeping(_ observer: PostgresPool) async throws -> Bool {
    let rows = try await observer.query(
      "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query = $1",
      Self.sleeping.text)
    return !rows.isEmpty
  }

  @Test("of a running statement stops it at the server, and the connection serves on")
  func runningStatement() async throws {
    let url = try await PostgresCluster.freshDatabase()
    let (pool, observer) = (try openPool(on: url) { $0.maximumConnections = 1 }, try openPool(on: url))
    let before: Int64 = try await pool.query("SELECT pg_backend_pid()").single().get(0)
    let task = Task { try await pool.query(Self.sleeping) }
    try await until { try await isSleeping(observer) }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(try await !isSleeping(observer))
    let after: Int64 = try await pool.query("SELECT pg_backend_pid()").single().get(0)
    #expect(before == after)
  }

  @Test("of a transaction rolls it back")
  func transaction() async throws {
    let url = try await PostgresCluster.freshDatabase()
    let (pool, observer) = (try openPool(on: url), try openPool(on: url))
    try await pool.query("CREATE TABLE numbers (n bigint)")
    let task = Task {
      try await pool.transaction { transaction in
        try await transaction.query("INSERT INTO numbers VALUES (1)")
        try await transaction.query(Self.sleeping)
      }
    }
    try await until { try await isSleeping(observer) }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(try await pool.query("SELECT * FROM numbers").isEmpty)
    #expect(
      try await observer.query(
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'"
      ).isEmpty)
  }

  @Test("never hits a statement that was not cancelled", .timeLimit(.minutes(5)))
  func noStrayCancellation() async throws {
    let pool = try await freshPool { $0.maximumConnections = 3 }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<150 {
        let isCancelled = number % 2 == 0
        let task = Task { try await pool.query("SELECT pg_sleep(0.002)") }
        group.addTask {
          guard isCancelled else {
            _ = try await task.value
            return
          }
          for _ in 0..<number { await Task.yield() }
          task.cancel()
          // Cancelled, or it was faster: both are right.
          do { _ = try await task.value } catch is CancellationError {}
        }
      }
      try await group.waitForAll()
    }
    #expect(try await pool.query("SELECT 1").count == 1)
  }
}
