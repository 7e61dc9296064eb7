import Foundation
import Postgres
import TestSupport
import Testing

@Suite("Connecting")
struct ConfigurationTests {
  @Test("a configuration prints where it connects to and not with what")
  func description() throws {
    let configuration = try PostgresConfiguration(url: "postgresql://ann:canary@db.example:5433/strait")
    #expect(configuration.description == "postgresql user=ann dbname=strait host=db.example port=5433")
    var dumped = ""
    dump(configuration, to: &dumped)
    for text in [String(reflecting: configuration), dumped] { #expect(!text.contains("canary")) }
  }

  @Test(
    "a url that cannot be read is refused without being quoted",
    arguments: [
      "postgresql://ann:zebra%zz@db.example/strait", "postgresql://ann:zeb/ra@db.example/strait",
      "postgresql://ann:zebra@db.example/strait?nonsense=zebra", "zebra", "host=x nonsense=zebra",
    ])
  func unreadable(url: String) throws {
    do {
      _ = try PostgresConfiguration(url: url)
      Issue.record("it was read")
    } catch let error as PostgresError {
      #expect(error.kind == .configuration)
      #expect(!"\(error)".contains("zeb"), "\(error)")
    }
  }

  @Test("a refused connection says where and why, without the password")
  func refused() async throws {
    let pool = try openPool(on: "postgresql://ann:canary@127.0.0.1:\(try freePort())/strait")
    let error = await databaseError { try await pool.query("SELECT 1") }
    #expect(error?.kind == .connection)
    #expect(error?.retryHelps == true)
    #expect(error?.description.contains("127.0.0.1") == true)
    #expect(error?.description.contains("canary") == false)
  }

  @Test("a wrong password is refused by the server")
  func wrongPassword() async throws {
    var parts = try #require(URLComponents(string: try await PostgresCluster.freshDatabase()))
    parts.password = "canary"
    let pool = try openPool(on: try #require(parts.string))
    let error = await databaseError { try await pool.query("SELECT 1") }
    #expect(error?.kind == .connection)
    #expect(error?.description.contains("canary") == false)
  }

  @Test("of several hosts the one that answers is taken")
  func severalHosts() async throws {
    var parts = try #require(URLComponents(string: try await PostgresCluster.freshDatabase()))
    let open = try #require(parts.port)
    let password = try #require(parts.password)
    parts.password = nil
    let url =
      "postgresql://\(parts.user ?? ""):\(password)@127.0.0.1:\(try freePort()),127.0.0.1:\(open)\(parts.path)"
      + "?target_session_attrs=read-write"
    #expect(try await openPool(on: url).query("SELECT 1").count == 1)
  }

  @Test(
    "a server that never answers is given up after the time for connecting, or when the task is cancelled")
  func silentServer() async throws {
    let listener = try SilentListener()
    var configuration = try PostgresConfiguration(url: "postgresql://ann@127.0.0.1:\(listener.port)/strait")
    configuration.connectTimeoutSeconds = 1
    let error = await databaseError {
      try await PostgresConnection.connect(configuration, logger: quietLogger)
    }
    #expect(error?.kind == .timeout)
    configuration.connectTimeoutSeconds = 600
    let patient = configuration
    let task = Task { try await PostgresConnection.connect(patient, logger: quietLogger) }
    listener.waitForConnection()
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
  }
}

/// A socket on loopback that takes connections and says nothing.
private final class SilentListener: Sendable {
  let port: UInt16
  private let descriptor: Int32

  init() throws {
    port = try freePort()
    descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    let length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isListening = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) } == 0
        && listen(descriptor, 8) == 0
    }
    guard isListening else { throw PostgresClusterError(reason: "cannot listen: errno \(errno)") }
  }

  /// Takes connections until one has come that the kernel had not queued before the call before.
  func waitForConnection() {
    for _ in 0..<2 { _ = accept(descriptor, nil, nil) }
  }

  deinit { close(descriptor) }
}
