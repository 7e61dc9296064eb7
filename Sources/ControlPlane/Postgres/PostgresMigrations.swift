// The schema's history, applied in order.

import Logging

/// One step of the schema's history. Once released it never changes; a change of the schema is a further step.
package struct PostgresMigration: Sendable {
  package let number: Int32
  package let name: StaticString
  /// One or more statements, separated by semicolons, without transaction commands.
  package let sql: StaticString

  package init(number: Int32, name: StaticString, sql: StaticString) {
    self.number = number
    self.name = name
    self.sql = sql
  }
}

/// The ordered steps that a program knows.
package struct PostgresMigrations: Sendable {
  /// How long a statement of a step may take, and the wait for another process's step.
  package static let maximumStepSeconds = 600

  private let migrations: [PostgresMigration]

  /// - Parameter migrations: numbered upwards from 1 without a gap
  package init(_ migrations: [PostgresMigration]) {
    precondition(
      migrations.enumerated().allSatisfy { $0.offset + 1 == Int($0.element.number) },
      "migrations are numbered from 1 without a gap")
    self.migrations = migrations
  }

  /// Applies what the database does not have yet, each step in a transaction of its own. Of two processes that do this
  /// at the same moment one does each step and the other waits for it.
  /// - Returns: the numbers applied by this call
  /// - Throws: `PostgresError` of kind `migration` when the database has a step that the code does not have, or one
  ///   that was changed after it had been applied
  @discardableResult
  package func run(on pool: PostgresPool, logger: Logger) async throws -> [Int32] {
    try await pool.transaction { transaction in
      try await waitForTurn(transaction)
      try await transaction.query(
        """
        CREATE TABLE IF NOT EXISTS schema_migrations (
          number integer PRIMARY KEY,
          name text NOT NULL,
          digest text NOT NULL,
          applied_at timestamptz NOT NULL DEFAULT now()
        )
        """)
      try await checkHistory(transaction)
    }
    var applied: [Int32] = []
    for migration in migrations where try await apply(migration, on: pool) {
      applied.append(migration.number)
      logger.info(
        "applied a migration", metadata: ["number": "\(migration.number)", "name": "\(migration.name)"])
    }
    return applied
  }

  /// True when this call applied it.
  private func apply(_ migration: PostgresMigration, on pool: PostgresPool) async throws -> Bool {
    try await pool.transaction { transaction in
      try await waitForTurn(transaction)
      // The other process may have gone further, and may be newer, while this one waited.
      try await checkHistory(transaction)
      let known = try await transaction.query(
        "SELECT 1 FROM schema_migrations WHERE number = $1", migration.number)
      guard known.isEmpty else { return false }
      try await transaction.runScript(Statement(stringLiteral: migration.sql))
      try await transaction.query(
        """
        INSERT INTO schema_migrations (number, name, digest)
        VALUES ($1, $2, encode(sha256(convert_to($3::text, 'UTF8')), 'hex'))
        """, migration.number, migration.name.description, migration.sql.description)
      return true
    }
  }

  /// Only one process migrates at a time: the lock is held up to the end of the transaction. The number is
  /// "strait" in ASCII.
  private func waitForTurn(_ transaction: PostgresTransaction) async throws {
    try await transaction.setStatementTimeout(seconds: Self.maximumStepSeconds)
    try await transaction.query("SELECT pg_advisory_xact_lock(126943972387188)")
  }

  private func checkHistory(_ transaction: PostgresTransaction) async throws {
    let rows = try await transaction.query(
      """
      SELECT stored.number, stored.name,
        stored.digest = encode(sha256(convert_to(own.sql, 'UTF8')), 'hex') AS is_unchanged
      FROM schema_migrations AS stored
      LEFT JOIN unnest($1::int4[], $2::text[]) AS own (number, sql) ON own.number = stored.number
      ORDER BY stored.number
      """, migrations.map(\.number), migrations.map(\.sql.description))
    for row in rows {
      let number = try row.get("number", as: Int32.self)
      let name = try row.get("name", as: String.self)
      switch try row.get("is_unchanged", as: Bool?.self) {
      case true?: continue
      case false?:
        throw PostgresError(
          .migration,
          "migration \(number) (\(name)) is not what was applied to this database; append a new one")
      case nil:
        throw PostgresError(
          .migration,
          "the database has migration \(number) (\(name)), which this version does not know; "
            + "start a newer version")
      }
    }
  }
}
