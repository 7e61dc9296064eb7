// A private PostgreSQL for tests: real server, own folder, password made at start, gone with the test process.

import Foundation
import Synchronization

/// A PostgreSQL server that belongs to this test process.
///
/// When the environment has `STRAIT_TEST_DATABASE_ADMIN_URL`, `freshDatabase()` makes its databases there and starts
/// nothing; tests that stop a server always start their own.
package final class PostgresCluster: Sendable {
  /// Loopback TCP port.
  package let port: UInt16
  /// Holds the unix socket and the server's log.
  package let folder: String
  private let account: ServerAccount
  private let password: String
  private let guardian: FolderGuardian
  private static let binaries = "/usr/lib/postgresql/15/bin"
  private static let user = "strait"
  private static let startAttempts = 30

  private init(
    port: UInt16, folder: String, account: ServerAccount, password: String, guardian: FolderGuardian
  ) {
    self.port = port
    self.folder = folder
    self.account = account
    self.password = password
    self.guardian = guardian
  }

  /// The cluster that all tests of this process share, started when first asked for.
  package static func shared() async throws -> PostgresCluster { try await SharedCluster.instance.cluster() }

  /// A new empty database: its `postgresql://` URL with user and password. The user is a superuser.
  package static func freshDatabase() async throws -> String {
    if let url = ProcessInfo.processInfo.environment["STRAIT_TEST_DATABASE_ADMIN_URL"] {
      return try await createDatabase(adminURL: url)
    }
    return try await shared().freshDatabase()
  }

  /// A cluster of its own, for tests that stop or kill it. It ends with the test process, or by `remove()`.
  package static func start() async throws -> PostgresCluster {
    let account = try ServerAccount.forThisProcess()
    let folder = try account.makeFolder(prefix: "strait-pg-")
    let guardian = try FolderGuardian(
      folder: folder,
      stop: account.command(["\(binaries)/pg_ctl", "-D", "\(folder)/data", "-m", "immediate", "stop"]))
    let password = randomText()
    let passwordFile = "\(folder)/password"
    try account.write(password, to: passwordFile)
    try await run(
      account.command([
        "\(binaries)/initdb", "-D", "\(folder)/data", "-U", user, "-A", "scram-sha-256", "--pwfile",
        passwordFile,
        "-E", "UTF8", "--locale", "C.UTF-8", "--no-sync",
      ]), folder: folder)
    try FileManager.default.removeItem(atPath: passwordFile)
    return try await launch(folder: folder, account: account, password: password, guardian: guardian)
  }

  /// A port that was free a moment ago may be taken by the time the server binds it, hence several attempts.
  private static func launch(
    folder: String, account: ServerAccount, password: String, guardian: FolderGuardian
  ) async throws -> PostgresCluster {
    var attempt = 1
    while true {
      let cluster = PostgresCluster(
        port: try freePort(), folder: folder, account: account, password: password, guardian: guardian)
      do {
        try await cluster.startServer()
        return cluster
      } catch  where attempt < 3 {
        attempt += 1
      }
    }
  }

  /// A new empty database on this cluster.
  package func freshDatabase() async throws -> String {
    try await Self.createDatabase(
      adminURL: "postgresql://\(Self.user):\(password)@127.0.0.1:\(port)/postgres")
  }

  /// What the server wrote to its log so far.
  package func log() throws -> String { try String(contentsOfFile: "\(folder)/log", encoding: .utf8) }

  // MARK: Faults

  /// Stops the server: every session is cut off without its transaction's end.
  package func stop() async throws {
    try await run(
      account.command(["\(Self.binaries)/pg_ctl", "-D", "\(folder)/data", "-m", "immediate", "-w", "stop"]),
      folder: folder)
  }

  /// Starts it again on the same port.
  package func restart() async throws {
    var attempt = 1
    while true {
      do {
        return try await startServer()
      } catch  where attempt < Self.startAttempts {
        // After a kill the old backends hold the shared memory until each has noticed; `pg_ctl` refuses meanwhile.
        attempt += 1
      }
    }
  }

  /// Kills the server's main process with SIGKILL, as a lost machine would.
  package func kill() throws {
    let text = try String(contentsOfFile: "\(folder)/data/postmaster.pid", encoding: .utf8)
    guard let line = text.split(separator: "\n").first, let process = pid_t(line), process > 1 else {
      throw PostgresClusterError(reason: "the server's process id is not in its file")
    }
    guard Glibc.kill(process, SIGKILL) == 0 else {
      throw PostgresClusterError(reason: "cannot kill the server: errno \(errno)")
    }
  }

  /// Ends the server and deletes its folder.
  package func remove() { guardian.release() }

  private func startServer() async throws {
    let options =
      "-c listen_addresses=127.0.0.1 -c port=\(port) -c unix_socket_directories=\(folder) "
      + "-c max_connections=1000 -c shared_buffers=64MB"
    try await run(
      account.command([
        "\(Self.binaries)/pg_ctl", "-D", "\(folder)/data", "-w", "-t", "120", "-l", "\(folder)/log", "-o",
        options,
        "start",
      ]), folder: folder)
  }

  private static func createDatabase(adminURL: String) async throws -> String {
    guard var parts = URLComponents(string: adminURL), let host = parts.host, let user = parts.user else {
      throw PostgresClusterError(reason: "the administrator's url needs a user and a host")
    }
    let name = "strait_test_" + randomText()
    var environment = ["PGHOST": host, "PGPORT": "\(parts.port ?? 5432)", "PGUSER": user]
    environment["PGPASSWORD"] = parts.password
    environment["PGDATABASE"] = parts.path.count > 1 ? String(parts.path.dropFirst()) : "postgres"
    try await run(
      ["\(binaries)/psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", "CREATE DATABASE \(name)"],
      environment: environment)
    parts.path = "/\(name)"
    guard let url = parts.string else {
      throw PostgresClusterError(reason: "cannot write the database's url")
    }
    return url
  }
}

package struct PostgresClusterError: Error, CustomStringConvertible {
  package let reason: String

  package init(reason: String) { self.reason = reason }

  package var description: String { "test cluster: \(reason)" }
}

private actor SharedCluster {
  static let instance = SharedCluster()
  private var starting: Task<PostgresCluster, any Error>?

  func cluster() async throws -> PostgresCluster {
    if let starting { return try await starting.value }
    let task = Task { try await PostgresCluster.start() }
    starting = task
    return try await task.value
  }
}

/// 96 random bits in hexadecimal digits.
private func randomText() -> String {
  var generator = SystemRandomNumberGenerator()
  return (0..<24).map { _ in String(UInt8.random(in: 0..<16, using: &generator), radix: 16) }.joined()
}
