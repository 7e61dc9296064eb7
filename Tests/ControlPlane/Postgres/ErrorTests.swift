import Postgres
import TestSupport
import Testing

@Suite("Errors")
struct ErrorTests {
  private func poolWithTeams() async throws -> PostgresPool {
    let pool = try await freshPool()
    try await pool.withConnection { connection in
      try await connection.runScript(
        """
        CREATE TYPE mood AS ENUM ('glad', 'sad');
        CREATE TABLE accounts (id bigint PRIMARY KEY);
        CREATE TABLE teams (
          name text NOT NULL CONSTRAINT teams_name_key UNIQUE,
          short varchar(3),
          account bigint CONSTRAINT teams_account_fkey REFERENCES accounts,
          CONSTRAINT teams_name_check CHECK (name <> 'forbidden' AND name NOT LIKE '%refused%')
        );
        CREATE FUNCTION complain(word text) RETURNS void LANGUAGE plpgsql
          AS $$ BEGIN RAISE EXCEPTION 'no %', word; END $$;
        """)
    }
    return pool
  }

  @Test("tell which constraint was violated and how")
  func constraints() async throws {
    let pool = try await poolWithTeams()
    try await pool.query("INSERT INTO teams (name) VALUES ('blue')")
    let unique = await databaseError { try await pool.query("INSERT INTO teams (name) VALUES ($1)", "blue") }
    #expect(unique?.kind == .uniqueViolation)
    #expect(unique?.sqlState == "23505")
    #expect(unique?.constraint == "teams_name_key")
    #expect(unique?.table == "teams")
    #expect(unique?.retryHelps == false)
    let check = await databaseError {
      try await pool.query("INSERT INTO teams (name) VALUES ($1)", "forbidden")
    }
    #expect(check?.kind == .checkViolation && check?.constraint == "teams_name_check")
    let foreign = await databaseError {
      try await pool.query("INSERT INTO teams VALUES ($1, 'x', $2)", "red", 7)
    }
    #expect(foreign?.kind == .foreignKeyViolation && foreign?.constraint == "teams_account_fkey")
    let null = await databaseError {
      try await pool.query("INSERT INTO teams (name) VALUES ($1)", String?.none)
    }
    #expect(null?.kind == .notNullViolation && null?.column == "name")
    let syntax = await databaseError { try await pool.query("SELEKT 1") }
    #expect(syntax?.kind == .statement && syntax?.sqlState == "42601")
    #expect(syntax?.description.contains("syntax error") == true)
  }

  /// Each provokes an error in which the server quotes `$1`, in its message or its details.
  private static let quotingStatements: [Statement] = [
    "SELECT $1::int8", "SELECT $1::uuid", "SELECT $1::timestamptz", "SELECT $1::jsonb", "SELECT $1::mood",
    "SELECT $1::regclass", "SELECT complain($1)", "SELECT unnest($1::text::int8[])",
    "INSERT INTO teams (name) VALUES ($1 || '/refused')", "INSERT INTO teams (name, short) VALUES ('a', $1)",
    "WITH twice AS (INSERT INTO teams (name) SELECT $1 || n % 1 FROM generate_series(1, 2) AS n) SELECT 1",
    "SELECT set_config($1, '1', false)", "SELECT nextval($1)", "SELECT to_timestamp($1, 'YYYY')",
  ]

  @Test("hold no part of a parameter", arguments: quotingStatements)
  func noValues(statement: Statement) async throws {
    let canary = "canary-3f9a"
    let pool = try await poolWithTeams()
    let error = try #require(await databaseError { try await pool.query(statement, canary) })
    var dumped = ""
    dump(error, to: &dumped)
    for text in ["\(error)", String(reflecting: error), dumped] {
      #expect(!text.contains("canary"), "\(statement.text)")
    }
    #expect(error.sqlState != nil)
  }

  @Test("the control: a word of the statement itself is passed on")
  func control() async throws {
    let pool = try await poolWithTeams()
    let error = await databaseError { try await pool.query("SELECT 1 FROM canary_3f9a") }
    #expect(error?.description.contains("canary_3f9a") == true)
  }

  @Test("leave no row in the server's log, where a session without the layer's settings would")
  func serverLog() async throws {
    let cluster = try await PostgresCluster.start()
    let pool = try openPool(on: try await cluster.freshDatabase()) { $0.maximumConnections = 1 }
    try await pool.query("CREATE TABLE teams (name text UNIQUE)")
    try await pool.query("INSERT INTO teams VALUES ($1), ($2)", "canary-quiet", "canary-loud")
    _ = await databaseError { try await pool.query("INSERT INTO teams VALUES ($1)", "canary-quiet") }
    #expect(try cluster.log().contains("duplicate key value"))
    #expect(try !cluster.log().contains("canary-quiet"))
    try await pool.query("SET log_error_verbosity = default")
    _ = await databaseError { try await pool.query("INSERT INTO teams VALUES ($1)", "canary-loud") }
    #expect(try cluster.log().contains("canary-loud"))
    cluster.remove()
  }

  @Test("a user without special rights can connect")
  func ordinaryUser() async throws {
    let url = try await PostgresCluster.freshDatabase()
    let admin = try openPool(on: url)
    let name = "ordinary_\(UInt32.random(in: 0...UInt32.max))"
    // The password is this test's own, made here and gone with the cluster.
    try await admin.query(
      Statement(generatedFromTrustedPartsOnly: "CREATE ROLE \(name) LOGIN PASSWORD '\(name)'"))
    let start = try #require(url.firstRange(of: "://")?.upperBound)
    let end = try #require(url.firstIndex(of: "@"))
    let pool = try openPool(on: url[..<start] + "\(name):\(name)" + url[end...])
    #expect(try await pool.query("SELECT current_user::text AS name").single().get("name") == name)
  }

  @Test("a statement over its time is a timeout")
  func statementTimeout() async throws {
    var configuration = try PostgresConfiguration(url: try await PostgresCluster.freshDatabase())
    configuration.statementTimeoutSeconds = 1
    let pool = PostgresPool(configuration, logger: quietLogger)
    let error = await databaseError { try await pool.query("SELECT pg_sleep(600)") }
    #expect(error?.kind == .timeout)
    #expect(error?.sqlState == "57014")
    #expect(error?.retryHelps == true)
  }

  @Test("a transaction may give its statements another time, and the next one has the usual again")
  func statementTimeoutOfTransaction() async throws {
    var configuration = try PostgresConfiguration(url: try await PostgresCluster.freshDatabase())
    configuration.statementTimeoutSeconds = 600
    var limits = PostgresPoolLimits()
    limits.maximumConnections = 1
    let pool = PostgresPool(configuration, limits: limits, logger: quietLogger)
    let error = await databaseError {
      try await pool.transaction { transaction in
        try await transaction.setStatementTimeout(seconds: 1)
        try await transaction.query("SELECT pg_sleep(600)")
      }
    }
    #expect(error?.kind == .timeout)
    #expect(try await pool.query("SHOW statement_timeout").single().get(0) == "10min")
  }

  @Test("a result over its limit is given up early, and the connection serves on")
  func resultTooLarge() async throws {
    var configuration = try PostgresConfiguration(url: try await PostgresCluster.freshDatabase())
    configuration.maximumResultBytes = 1 << 16
    let connection = try await PostgresConnection.connect(configuration, logger: quietLogger)
    let error = await databaseError { try await connection.query("SELECT generate_series(1, 1000000000)") }
    #expect(error?.kind == .resultTooLarge)
    #expect(try await connection.query("SELECT generate_series(1, 1000)").count == 1000)
  }

  @Test("parameters over their limits are refused before they are sent")
  func parameterLimits() async throws {
    var configuration = try PostgresConfiguration(url: try await PostgresCluster.freshDatabase())
    configuration.maximumParameterBytes = 1000
    let pool = PostgresPool(configuration, logger: quietLogger)
    let large = await databaseError { try await pool.query("SELECT $1", [UInt8](repeating: 1, count: 1001)) }
    #expect(large?.kind == .usage)
    let many = await databaseError {
      try await pool.query("SELECT 1", parameters: [any PostgresEncodable](repeating: true, count: 65_536))
    }
    #expect(many?.kind == .usage)
  }

  @Test("a second statement on a busy connection is refused")
  func busy() async throws {
    let configuration = try PostgresConfiguration(url: try await PostgresCluster.freshDatabase())
    let connection = try await PostgresConnection.connect(configuration, logger: quietLogger)
    let other = PostgresPool(configuration, logger: quietLogger)
    let first = Task { try await connection.query("SELECT pg_sleep(600)") }
    try await until {
      try await !other.query("SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'").isEmpty
    }
    #expect(await databaseError { try await connection.query("SELECT 1") }?.kind == .usage)
    first.cancel()
    _ = await first.result
    #expect(try await connection.query("SELECT 1").count == 1)
  }
}
