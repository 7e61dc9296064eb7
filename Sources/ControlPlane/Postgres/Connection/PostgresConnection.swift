// One connection to the server.

import Logging

package actor PostgresConnection: PostgresSession {
  package static func connect(_ configuration: PostgresConfiguration, logger: Logger) async throws
    -> PostgresConnection
  {
    throw PostgresError(.connection, "not built yet")
  }

  @discardableResult
  package func query(_ statement: Statement, parameters: [any PostgresEncodable]) async throws -> PostgresRows
  {
    throw PostgresError(.connection, "not built yet")
  }

  package func close() async {}
}
