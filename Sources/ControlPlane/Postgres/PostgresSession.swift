// What a pool, a connection and a transaction have in common: they run statements.

/// Where statements can be run. Code that only reads or writes takes `some PostgresSession` or `any PostgresSession`, so
/// that it can be part of a transaction.
package protocol PostgresSession: Sendable {
  /// Runs one statement to its end.
  /// - Throws: `PostgresError`, or `CancellationError` when the task was cancelled before the server had finished
  @discardableResult
  func query(_ statement: Statement, parameters: [any PostgresEncodable]) async throws -> PostgresRows
}

extension PostgresSession {
  /// Runs one statement; the values are `$1`, `$2`, … in their order.
  @discardableResult
  package func query(_ statement: Statement, _ parameters: any PostgresEncodable...) async throws
    -> PostgresRows
  {
    try await query(statement, parameters: parameters)
  }

  /// Runs one statement for the number of rows that it changes.
  @discardableResult
  package func execute(_ statement: Statement, _ parameters: any PostgresEncodable...) async throws -> Int {
    try await query(statement, parameters: parameters).affectedCount
  }
}
