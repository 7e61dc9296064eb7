// A private PostgreSQL for tests.

package final class PostgresCluster: Sendable {
  /// The cluster that all tests of this process share, started when first asked for.
  package static func shared() async throws -> PostgresCluster {
    throw PostgresClusterError(reason: "not built yet")
  }

  /// A new empty database on the shared cluster: its `postgresql://` URL with user and password.
  package static func freshDatabase() async throws -> String { try await shared().freshDatabase() }

  /// A cluster of its own for tests that stop or kill it. It ends with the test process, or by `remove()`.
  package static func start() async throws -> PostgresCluster {
    throw PostgresClusterError(reason: "not built yet")
  }

  package func freshDatabase() async throws -> String { throw PostgresClusterError(reason: "not built yet") }

  /// Stops the server at once as `pg_ctl stop -m immediate` does.
  package func stop() async throws {}
  /// Starts it again on the same port.
  package func restart() async throws {}
  /// Kills the server's main process with SIGKILL.
  package func kill() async throws {}
  package func remove() async throws {}
}

package struct PostgresClusterError: Error, CustomStringConvertible {
  package let reason: String
  package var description: String { "test cluster: \(reason)" }
}
