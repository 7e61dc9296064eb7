// Where the database is and how long the layer waits for it.

/// Where to connect and under which limits. Does not print its password, nor does a dump of it.
package struct PostgresConfiguration: Sendable, CustomStringConvertible, CustomReflectable {
  /// Settings as libpq knows them (`host`, `port`, `user`, `target_session_attrs`, …).
  let settings: [ConnectionSetting]

  /// How long one attempt to connect may take; several hosts share it evenly.
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

  package var customMirror: Mirror { Mirror(self, children: ["connects to": description]) }
}

extension PostgresConfiguration {
  /// Settings that hold unless the URL says otherwise: a dead peer is noticed within half a minute, also by a session
  /// that only listens.
  private static let defaults = [
    ConnectionSetting(keyword: "application_name", value: "strait"),
    ConnectionSetting(keyword: "keepalives_idle", value: "10"),
    ConnectionSetting(keyword: "keepalives_interval", value: "5"),
    ConnectionSetting(keyword: "keepalives_count", value: "3"),
    ConnectionSetting(keyword: "tcp_user_timeout", value: "20000"),
  ]

  /// How many hosts the URL names.
  var hostCount: Int {
    settings.filter { $0.keyword == "host" || $0.keyword == "hostaddr" }.map(\.items.count).max() ?? 1
  }

  /// What libpq is given: it tries the hosts in order, beginning with the given one.
  func completeSettings(firstHost: Int) -> [ConnectionSetting] {
    let given = Set(settings.map(\.keyword))
    let own = settings.filter { $0.keyword != "client_encoding" }.map { $0.rotated(by: firstHost) }
    return own + Self.defaults.filter { !given.contains($0.keyword) }
      + [ConnectionSetting(keyword: "client_encoding", value: "UTF8")]
  }

  /// Run once in every new session. Parameters and the details of errors, which quote rows, stay out of the server's
  /// log, as far as this user may say so.
  var sessionSetup: Statement {
    Statement(
      generatedFromTrustedPartsOnly: """
        SET TimeZone = 'UTC';
        SET client_min_messages = warning;
        SET log_parameter_max_length_on_error = 0;
        SET statement_timeout = '\(statementTimeoutSeconds)s';
        SET idle_in_transaction_session_timeout = '\(idleInTransactionTimeoutSeconds)s';
        SELECT set_config(name, value, false)
        FROM (VALUES ('log_parameter_max_length', '0'), ('log_error_verbosity', 'terse')) AS quiet (name, value)
        WHERE has_parameter_privilege(name, 'SET');
        """)
  }
}

/// One of libpq's settings. It does not print its value.
struct ConnectionSetting: Sendable, CustomStringConvertible, CustomReflectable {
  var keyword: String
  var value: String

  var description: String { keyword }
  var customMirror: Mirror { Mirror(self, children: ["keyword": keyword]) }

  /// The parts of a list, such as that of the hosts.
  var items: [Substring] { value.split(separator: ",", omittingEmptySubsequences: false) }

  /// The lists that belong to the hosts begin with another element; a single element stands for all of them.
  func rotated(by count: Int) -> ConnectionSetting {
    guard ["host", "hostaddr", "port"].contains(keyword), count < items.count else { return self }
    let list = items[count...] + items[..<count]
    return ConnectionSetting(keyword: keyword, value: list.joined(separator: ","))
  }
}
