// A whole control plane in this process: real PostgreSQL, real TLS sockets on free ports, a data folder of its own.

import StraitSettings
import ControlPlaneCore
import Foundation
import Glibc
import Logging
import Postgres
import ServiceLifecycle
import StraitProtocol
import Synchronization
import TestSupport

final class RunningControlPlane: Sendable {
  let controlPlane: ControlPlane
  let ports: ControlPlane.Ports
  let databaseURL: String
  let dataDirectory: String
  /// Trust for the admin API, in PEM form.
  let adminAuthority: CertificateAuthority
  let log: CapturedLog
  private let group: ServiceGroup
  private let run: Task<Void, any Error>

  var pool: PostgresPool { controlPlane.pool }

  /// - Parameter sharing: another one whose database and data folder this one uses too
  static func start(
    sharing other: RunningControlPlane? = nil, edgeCertificateSeconds: Int? = nil,
    rollout: RolloutSettings? = nil
  ) async throws -> RunningControlPlane {
    let url: String
    if let other { url = other.databaseURL } else { url = try await PostgresCluster.freshDatabase() }
    return try await RunningControlPlane(
      databaseURL: url, dataDirectory: other?.dataDirectory ?? temporaryFolder(),
      log: other?.log ?? CapturedLog(), edgeCertificateSeconds: edgeCertificateSeconds, rollout: rollout)
  }

  init(
    databaseURL: String, dataDirectory: String, log: CapturedLog, edgeCertificateSeconds: Int? = nil,
    rollout: RolloutSettings? = nil
  ) async throws {
    self.databaseURL = databaseURL
    self.dataDirectory = dataDirectory
    self.log = log
    let logger = log.logger()
    adminAuthority = try CertificateAuthority.make(now: .now)
    var settings = try Self.settings(databaseURL, dataDirectory, adminAuthority)
    if let edgeCertificateSeconds { settings.controlLink.edgeCertificateSeconds = edgeCertificateSeconds }
    // Nothing is watched for a while, where a test does not ask for it.
    settings.rollout.dwellSeconds = 0
    if let rollout { settings.rollout = rollout }
    controlPlane = try await ControlPlane.prepare(settings, logger: logger)
    let (bound, listening) = AsyncThrowingStream.makeStream(of: BoundPort.self)
    let services = try controlPlane.services { which, port in
      listening.yield(BoundPort(which: which, port: port))
    }
    var configuration = ServiceGroupConfiguration(services: services, logger: logger)
    // As the program does, but later: an edge that a test left behind fails no other, and does not hold the run up for ever.
    configuration.maximumGracefulShutdownDuration = .seconds(60)
    let group = ServiceGroup(configuration: configuration)
    self.group = group
    run = Task {
      do {
        try await group.run()
        listening.finish()
      } catch {
        listening.finish(throwing: error)
        throw error
      }
    }
    var ports = ControlPlane.Ports()
    var count = 0
    for try await one in bound {
      ports[keyPath: one.which] = one.port
      count += 1
      if count == 3 { break }
    }
    self.ports = ports
  }

  func stop() async throws {
    await group.triggerGracefulShutdown()
    try await run.value
  }

  func operatorToken() throws -> String {
    try String(contentsOfFile: "\(dataDirectory)/operator-token", encoding: .utf8)
      .trimmingCharacters(in: .whitespacesAndNewlines)
  }

  private struct BoundPort: Sendable {
    let which: WritableKeyPath<ControlPlane.Ports, Int> & Sendable
    let port: Int
  }

  private static func settings(
    _ databaseURL: String, _ folder: String, _ authority: CertificateAuthority
  ) throws -> ControlPlaneSettings {
    let credentials = try authority.issueServer(names: ["localhost", "127.0.0.1"], now: .now)
    let name = UInt64.random(in: 0 ... .max)
    let (certificate, key) = ("\(folder)/admin-\(name).pem", "\(folder)/admin-\(name).key")
    try PrivateFile.replace(pem("CERTIFICATE", credentials.chainDER[0]), at: certificate)
    try PrivateFile.replace(pem("PRIVATE KEY", credentials.keyDER), at: key)
    let free = SettingsTree.scalar("127.0.0.1:0")
    return try ControlPlaneSettings(
      .mapping([
        (key: "database_url", value: .scalar(databaseURL)),
        (key: "data_directory", value: .scalar(folder)),
        (
          key: "admin",
          value: .mapping([
            (key: "listen", value: free), (key: "certificate_file", value: .scalar(certificate)),
            (key: "private_key_file", value: .scalar(key)),
          ])
        ),
        (
          key: "control_link",
          value: .mapping([
            (key: "listen", value: free), (key: "enrolment_listen", value: free),
            (key: "server_names", value: .sequence([.scalar("localhost"), .scalar("127.0.0.1")])),
          ])
        ),
      ]))
  }
}

/// Runs `body` with a control plane that is stopped afterwards, whatever happened.
func withControlPlane<Value: Sendable>(
  sharing other: RunningControlPlane? = nil, edgeCertificateSeconds: Int? = nil,
  rollout: RolloutSettings? = nil, _ body: (RunningControlPlane) async throws -> Value
) async throws -> Value {
  let running = try await RunningControlPlane.start(
    sharing: other, edgeCertificateSeconds: edgeCertificateSeconds, rollout: rollout)
  do {
    let value = try await body(running)
    try await running.stop()
    return value
  } catch {
    try await running.stop()
    throw error
  }
}

func temporaryFolder() throws -> String {
  var template = Array("\(NSTemporaryDirectory())strait-control-XXXXXX".utf8CString)
  guard let path = mkdtemp(&template) else {
    throw Refusal(.unavailable, "no temporary folder")
  }
  return String(cString: path)
}

func pem(_ label: String, _ der: [UInt8]) -> [UInt8] {
  let body = Data(der).base64EncodedString(options: [.lineLength64Characters, .endLineWithLineFeed])
  return Array("-----BEGIN \(label)-----\n\(body)\n-----END \(label)-----\n".utf8)
}

/// Keeps every log line, with its metadata, for tests that look for what must not be there.
final class CapturedLog: Sendable {
  private let lines = Mutex<[String]>([])

  var text: String { lines.withLock { $0.joined(separator: "\n") } }

  func logger() -> Logger {
    Logger(label: "control-plane-test") { _ in Handler(log: self) }
  }

  private struct Handler: LogHandler {
    let log: CapturedLog
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level = .trace

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
      get { metadata[key] }
      set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
      let all = metadata.merging(event.metadata ?? [:]) { _, new in new }
      log.lines.withLock { $0.append("\(event.level) \(event.message) \(all)") }
    }
  }
}
