import Postgres
import TestSupport
import Testing

@Suite("Migrations")
struct MigrationTests {
  private static let first = PostgresMigration(
    number: 1, name: "teams",
    sql: "CREATE TABLE teams (name text); INSERT INTO teams VALUES ('it''s; one');")
  private static let second = PostgresMigration(
    number: 2, name: "counted", sql: "INSERT INTO teams VALUES ('two'); SELECT count(*) FROM teams")

  private func teams(_ pool: PostgresPool) async throws -> [String] {
    try await pool.query("SELECT name FROM teams ORDER BY name").map { try $0.get("name") }
  }

  @Test("are applied in order, once, and continued by later versions")
  func order() async throws {
    let pool = try await freshPool()
    #expect(try await PostgresMigrations([Self.first]).run(on: pool, logger: quietLogger) == [1])
    #expect(try await PostgresMigrations([Self.first]).run(on: pool, logger: quietLogger).isEmpty)
    let both = PostgresMigrations([Self.first, Self.second])
    #expect(try await both.run(on: pool, logger: quietLogger) == [2])
    #expect(try await teams(pool) == ["it's; one", "two"])
  }

  @Test("of several processes at once, each step is done once")
  func race() async throws {
    let url = try await PostgresCluster.freshDatabase()
    let migrations = PostgresMigrations([Self.first, Self.second])
    let applied = try await withThrowingTaskGroup(of: [Int32].self) { group in
      for _ in 0..<6 {
        let pool = try openPool(on: url)
        group.addTask { try await migrations.run(on: pool, logger: quietLogger) }
      }
      return try await group.reduce(into: []) { $0 += $1 }
    }
    #expect(applied.sorted() == [1, 2])
    #expect(try await teams(openPool(on: url)) == ["it's; one", "two"])
  }

  @Test("refuse a database that a newer version has migrated")
  func newer() async throws {
    let pool = try await freshPool()
    try await PostgresMigrations([Self.first, Self.second]).run(on: pool, logger: quietLogger)
    let error = await databaseError {
      try await PostgresMigrations([Self.first]).run(on: pool, logger: quietLogger)
    }
    #expect(error?.kind == .migration)
    #expect(error?.description.contains("migration 2 (counted)") == true)
  }

  @Test("refuse a step that was changed after it had been applied")
  func changed() async throws {
    let pool = try await freshPool()
    try await PostgresMigrations([Self.first]).run(on: pool, logger: quietLogger)
    let other = PostgresMigration(
      number: 1, name: "teams", sql: "CREATE TABLE teams (name text, size bigint)")
    let error = await databaseError {
      try await PostgresMigrations([other]).run(on: pool, logger: quietLogger)
    }
    #expect(error?.kind == .migration)
  }

  @Test("leave nothing of a step that fails, and keep the steps before it")
  func failing() async throws {
    let pool = try await freshPool()
    let broken = PostgresMigration(
      number: 2, name: "broken", sql: "INSERT INTO teams VALUES ('half'); INSERT INTO nowhere VALUES (1)")
    let error = await databaseError {
      try await PostgresMigrations([Self.first, broken]).run(on: pool, logger: quietLogger)
    }
    #expect(error?.sqlState == "42P01")
    #expect(try await teams(pool) == ["it's; one"])
    #expect(
      try await PostgresMigrations([Self.first, Self.second]).run(on: pool, logger: quietLogger) == [2])
  }
}
