// Statements inside one transaction.

/// A transaction that stands open for the time of `PostgresPool.transaction`'s body.
package struct PostgresTransaction: PostgresSession {
  let connection: PostgresConnection

  @discardableResult
  package func query(_ statement: Statement, parameters: [any PostgresEncodable]) async throws -> PostgresRows
  {
    try await connection.query(statement, parameters: parameters)
  }

  /// Runs `body` behind a savepoint: what it did is undone when it throws, and the transaction stays usable.
  package func savepoint<Value: Sendable>(
    _ body: @Sendable (PostgresTransaction) async throws -> Value
  ) async throws -> Value {
    throw PostgresError(.connection, "not built yet")
  }

  /// `COPY … FROM STDIN` inside this transaction; the number of rows copied.
  @discardableResult
  package func copyIn(_ statement: Statement, rows: some Sequence<[any PostgresEncodable]> & Sendable)
    async throws -> Int
  {
    throw PostgresError(.connection, "not built yet")
  }
}
