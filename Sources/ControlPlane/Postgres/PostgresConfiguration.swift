// Where the database is and how long the layer waits for it.

/// Where to connect and under which limits. Does not print its password.
package struct PostgresConfiguration: Sendable, CustomStringConvertible {
  /// Settings as libpq knows them (`host`, `port`, `user`, `target_session_attrs`, …).
  let settings: [ConnectionSetting]

  /// How long one attempt to connect may take, over all hosts of the URL.
  package var connectTimeoutSeconds = 10
  /// The server's `statement_timeout`; the layer gives the connection up some seconds later.
  package var statementTimeoutSeconds = 30
  /// How long a session may hold a transaction open without a statement, before the server ends it.
  package var idleInTransactionTimeoutSeconds = 60
  /// The most that one result may hold in memory.
  package var maximumResultBytes = 256 << 20
  /// The most that the parameters of one statement may hold.
  package var maximumParameterBytes = 64 << 20

  /// - Parameter url: `postgresql://user@host:port,host:port/database?target_session_attrs=read-write`, or libpq's
  ///   `key=value` form; what it leaves out comes from libpq's environment variables
  /// - Throws: `PostgresError` of kind `configuration`
  package init(url: String) throws {
    settings = try parseConnectionSettings(url)
  }

  package var description: String {
    let shown = settings.filter { ["host", "hostaddr", "port", "dbname", "user"].contains($0.keyword) }
    return "postgresql " + shown.map { "\($0.keyword)=\($0.value)" }.joined(separator: " ")
  }
}

struct ConnectionSetting: Sendable {
  var keyword: String
  var value: String
}
