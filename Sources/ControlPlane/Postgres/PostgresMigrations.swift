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

package struct PostgresMigrations: Sendable {
  let migrations: [PostgresMigration]

  /// - Parameter migrations: numbered upwards from 1 without a gap
  package init(_ migrations: [PostgresMigration]) {
    self.migrations = migrations
  }

  /// Applies what the database does not have yet, each step in a transaction of its own. Two processes that do this at
  /// the same moment do each step once.
  /// - Returns: the numbers applied by this call
  /// - Throws: `PostgresError` of kind `migration` when the database has a step that the code does not have, or one that
  ///   was changed after it had been applied
  @discardableResult
  package func run(on pool: PostgresPool, logger: Logger) async throws -> [Int32] {
    throw PostgresError(.connection, "not built yet")
  }
}
