import Postgres
import TestSupport
import Testing

@Suite("A server that goes away")
struct FaultTests {
  @Test("killed in the middle of a statement is an error, and the pool recovers after its return")
  func killed() async throws {
    let cluster = try await PostgresCluster.start()
    let pool = try openPool(on: try await cluster.freshDatabase())
    try await pool.query("CREATE TABLE numbers (n bigint)")
    try await pool.query("INSERT INTO numbers VALUES (1)")
    let running = Task { await databaseError { try await pool.query("SELECT pg_sleep(600)") } }
    try await until {
      try await pool.query("SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'").count == 1
    }
    try cluster.kill()
    let error = await running.value
    #expect(error?.kind == .connection)
    #expect(error?.retryHelps == true)
    // Who asks meanwhile is told, and does not hang, once the other session's process has noticed too.
    try await until { await databaseError { try await pool.query("SELECT 1") }?.kind == .connection }
    try await cluster.restart()
    #expect(try await pool.query("SELECT n FROM numbers").count == 1)
    cluster.remove()
  }

  @Test("stopped before the commit was answered leaves the outcome open, and says so")
  func stoppedBeforeCommit() async throws {
    let cluster = try await PostgresCluster.start()
    let pool = try openPool(on: try await cluster.freshDatabase())
    try await pool.query("CREATE TABLE numbers (n bigint)")
    let error = await databaseError {
      try await pool.transaction { transaction in
        try await transaction.query("INSERT INTO numbers VALUES (1)")
        try await cluster.stop()
      }
    }
    #expect(error?.isCommitOutcomeUnknown == true)
    #expect(error?.retryHelps == false)
    try await cluster.restart()
    #expect(try await pool.query("SELECT n FROM numbers").isEmpty)
    cluster.remove()
  }

  @Test("stopped inside a transaction fails the statement with an error that a retry helps")
  func stoppedInsideTransaction() async throws {
    let cluster = try await PostgresCluster.start()
    let pool = try openPool(on: try await cluster.freshDatabase())
    let error = await databaseError {
      try await pool.transaction { transaction in
        try await transaction.query("SELECT 1")
        try await cluster.stop()
        try await transaction.query("SELECT 1")
      }
    }
    #expect(error?.kind == .connection)
    #expect(error?.isCommitOutcomeUnknown == false)
    cluster.remove()
  }
}
