// The control plane's command: reads its configuration, prepares, runs until it is told to stop.

import ArgumentParser
import ControlPlaneCore
import Foundation
import Logging
import ServiceLifecycle
import StraitProtocol
import StraitSettings

@main
struct ControlPlaneCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "control-plane",
    abstract:
      "Strait's control plane: keeps accounts, keys and policy, and pushes configuration to every edge.",
    version: SoftwareVersion.current)

  @Option(help: "The configuration file (YAML).")
  var config: String

  @Flag(help: "Check the configuration file and exit.")
  var check = false

  func run() async throws {
    let settings = try readSettings()
    if check {
      print("\(config) is valid")
      return
    }
    LoggingSystem.bootstrap(StreamLogHandler.standardError)
    var logger = Logger(label: "control-plane")
    logger.logLevel = settings.logLevel
    do {
      try await serve(settings, logger: logger)
    } catch {
      fail("control-plane cannot run: \(error)", code: 1)
    }
  }

  private func readSettings() throws -> ControlPlaneSettings {
    do {
      return try ControlPlaneSettings(try SettingsTree(yamlFile: config))
    } catch {
      fail("control-plane: \(config): \(error)", code: EX_CONFIG)
    }
  }

  private func serve(_ settings: ControlPlaneSettings, logger: Logger) async throws {
    let controlPlane = try await ControlPlane.prepare(settings, logger: logger)
    if let file = controlPlane.installation.newTokenFile {
      FileHandle.standardOutput.write(Data("the first operator token is in \(file)\n".utf8))
    }
    let services = try controlPlane.services { _, _ in }
    var configuration = ServiceGroupConfiguration(
      services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
    // Edges connect again by themselves; nothing here is worth a longer wait.
    configuration.maximumGracefulShutdownDuration = .seconds(10)
    try await ServiceGroup(configuration: configuration).run()
  }

  private func fail(_ message: String, code: Int32) -> Never {
    FileHandle.standardError.write(Data((message + "\n").utf8))
    Foundation.exit(code)
  }
}
