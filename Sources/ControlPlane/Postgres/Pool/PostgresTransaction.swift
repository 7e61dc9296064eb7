// Transactions and savepoints.

package enum PostgresIsolation: Sendable {
  case readCommitted
  case repeatableRead
  case serializable

  fileprivate var begin: Statement {
    switch self {
    case .readCommitted: "BEGIN ISOLATION LEVEL READ COMMITTED"
    case .repeatableRead: "BEGIN ISOLATION LEVEL REPEATABLE READ"
    case .serializable: "BEGIN ISOLATION LEVEL SERIALIZABLE"
    }
  }
}

/// A transaction that stands open for the time of the body it is given to; afterwards it refuses statements.
package struct PostgresTransaction: PostgresSession {
  let connection: PostgresConnection
  let number: UInt64

  @discardableResult
  package func query(_ statement: Statement, parameters: [any PostgresEncodable]) async throws -> PostgresRows
  {
    try await connection.run(statement, parameters, inTransaction: number)
  }

  /// Lets each statement of this transaction run for `seconds`, for work that is known to be long.
  package func setStatementTimeout(seconds: Int) async throws {
    try await connection.setStatementTimeout(seconds: seconds, inTransaction: number)
  }

  /// Runs statements without parameters, several separated by semicolons and none of them a transaction command.
  package func runScript(_ script: Statement) async throws {
    try await connection.runScript(script, inTransaction: number)
  }

  /// As `PostgresConnection.copyIn`: rows for `COPY … FROM STDIN (FORMAT binary)`.
  @discardableResult
  package func copyIn<Rows: Sequence>(_ statement: Statement, rows: Rows) async throws -> Int
  where Rows.Element == [any PostgresEncodable], Rows: Sendable {
    try await connection.copyIn(statement, rows: rows)
  }

  /// Runs `body` behind a savepoint: what it did is undone when it throws, and the transaction stays usable.
  @discardableResult
  package func savepoint<Value: Sendable>(
    _ body: @Sendable (PostgresTransaction) async throws -> Value
  ) async throws -> Value {
    // A savepoint of the same name hides the outer one until it is released, so one name serves for all depths.
    try await query("SAVEPOINT nested")
    do {
      let value = try await body(self)
      try await query("RELEASE SAVEPOINT nested")
      return value
    } catch {
      try await connection.rollBackToSavepoint()
      throw error
    }
  }
}

extension PostgresConnection {
  /// Runs `body` in a transaction: committed when it returns, rolled back when it throws. Not tried again.
  @discardableResult
  package func transaction<Value: Sendable>(
    isolation: PostgresIsolation = .readCommitted,
    _ body: @Sendable (PostgresTransaction) async throws -> Value
  ) async throws -> Value {
    guard currentTransaction == nil else {
      throw PostgresError(.usage, "the connection has a transaction already; use its savepoint")
    }
    transactionsBegun += 1
    let number = transactionsBegun
    currentTransaction = number
    defer {
      currentTransaction = nil
      statementTimeoutSeconds = configuration.statementTimeoutSeconds
    }
    do {
      _ = try await run(isolation.begin)
      let value = try await body(PostgresTransaction(connection: self, number: number))
      try await commit()
      return value
    } catch {
      await rollBack()
      throw error
    }
  }

  func run(
    _ statement: Statement, _ parameters: [any PostgresEncodable], inTransaction number: UInt64
  ) async throws -> PostgresRows {
    guard currentTransaction == number else { throw PostgresError(.usage, "the transaction has ended") }
    return try await run(statement, parameters).rows()
  }

  func runScript(_ script: Statement, inTransaction number: UInt64) async throws {
    guard currentTransaction == number else { throw PostgresError(.usage, "the transaction has ended") }
    try await runScript(script)
  }

  func setStatementTimeout(seconds: Int, inTransaction number: UInt64) async throws {
    // Local to the transaction, at the server by SET LOCAL and here by the end of `transaction`.
    let statement = Statement(generatedFromTrustedPartsOnly: "SET LOCAL statement_timeout = '\(seconds)s'")
    _ = try await run(statement, [], inTransaction: number)
    statementTimeoutSeconds = seconds
  }

  func rollBackToSavepoint() async throws {
    for statement: Statement in ["ROLLBACK TO SAVEPOINT nested", "RELEASE SAVEPOINT nested"] {
      _ = try await run(statement, cancellation: .ignored)
    }
  }

  private func commit() async throws {
    guard libpq?.transactionState != .failed else {
      throw PostgresError(.statement, "a statement of the transaction failed, so it cannot be committed")
    }
    do {
      _ = try await run("COMMIT", cancellation: .ignored)
    } catch var error as PostgresError where isBroken {
      // The server's own refusal would have left the session in order.
      error.isCommitOutcomeUnknown = true
      throw error
    }
  }

  /// Leaves no transaction behind: where the server cannot be told, the connection goes.
  private func rollBack() async {
    guard let libpq, !isBroken, libpq.transactionState != .idle else { return }
    do {
      _ = try await run("ROLLBACK", cancellation: .ignored)
    } catch {
      isBroken = true
      logger.warning("cannot roll back, the connection is closed", metadata: ["error": "\(error)"])
    }
  }
}
