// A bounded set of connections, handed out in the order of asking.

import Logging

/// The bounds of a pool.
package struct PostgresPoolLimits: Sendable {
  package var maximumConnections = 8
  /// Tasks that may wait for a connection; the next one is refused at once.
  package var maximumWaiters = 256
  /// From asking to having a connection, connecting included.
  package var acquireTimeoutSeconds = 10
  /// How often a transaction is run before a serialization failure or a deadlock is passed on.
  package var maximumTransactionAttempts = 5

  package init() {}
}

package final class PostgresPool: PostgresSession {
  package init(
    _ configuration: PostgresConfiguration, limits: PostgresPoolLimits = PostgresPoolLimits(), logger: Logger
  ) {}

  @discardableResult
  package func query(_ statement: Statement, parameters: [any PostgresEncodable]) async throws -> PostgresRows
  {
    try await withConnection { try await $0.query(statement, parameters: parameters) }
  }

  /// Lends a connection for the time of `body`, which must not keep it.
  package func withConnection<Value: Sendable>(
    _ body: @Sendable (PostgresConnection) async throws -> Value
  ) async throws -> Value {
    throw PostgresError(.connection, "not built yet")
  }

  /// Runs `body` in a transaction: committed when it returns, rolled back when it throws.
  ///
  /// A serialization failure or a deadlock rolls back and runs `body` again, up to
  /// `PostgresPoolLimits.maximumTransactionAttempts`: `body` has no effects but those on `transaction`.
  package func transaction<Value: Sendable>(
    isolation: PostgresIsolation = .readCommitted,
    _ body: @Sendable (PostgresTransaction) async throws -> Value
  ) async throws -> Value {
    throw PostgresError(.connection, "not built yet")
  }

  /// Refuses new work, ends idle connections at once and lent ones when they come back.
  package func close() async {}
}

package enum PostgresIsolation: Sendable {
  case readCommitted
  case repeatableRead
  case serializable
}
