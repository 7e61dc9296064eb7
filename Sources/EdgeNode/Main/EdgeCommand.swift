// The edge's command: reads its file, takes up its identity and last good configuration, serves until it is told to stop.

import ArgumentParser
import CLinux
import EdgeDataPath
import EdgeUplink
import Foundation
import Logging
import StraitProtocol
import StraitSettings

@main
struct EdgeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "edge-node",
    abstract: "Strait's edge: terminates TLS, knows the caller, relays to an upstream, meters.",
    version: SoftwareVersion.current)

  @Option(help: "The configuration file (YAML).")
  var config: String

  @Option(
    help:
      "A join token from `strait edge invite`; needed once. Better in STRAIT_JOIN_TOKEN, which ps does not show."
  )
  var join: String?

  @Flag(help: "Check the configuration file and exit.")
  var check = false

  static func main() async {
    let arguments = CommandLine.arguments
    if TrialCommand.isAsked(arguments) { TrialCommand.run(region: arguments[2]) }
    await main(nil)
  }

  func run() async throws {
    let file: EdgeFile
    do {
      file = try EdgeFile(path: config, cores: ProcessInfo.processInfo.activeProcessorCount)
    } catch {
      Self.fail("edge-node: \(config): \(error)", code: EX_CONFIG)
    }
    let certificates = CertificateKeeper(files: file.tls)
    let tls: TLSContext
    do {
      tls = try certificates.load()
    } catch {
      Self.fail("edge-node: \(config): tls: \(error)", code: EX_CONFIG)
    }
    if check {
      print("\(config) is valid")
      return
    }
    keepMemoryToItself()
    strait_return_freed_memory()
    LoggingSystem.bootstrap(StreamLogHandler.standardError)
    do {
      try await EdgeProcess(
        file: file, certificates: certificates, joinToken: joinToken, logger: Logger(label: "edge-node")
      ).run(tls: tls)
    } catch {
      Self.fail("edge-node cannot run: \(error)", code: 1)
    }
    // Threads of the data path have ended; those of libraries have nothing left to lose.
    Foundation.exit(0)
  }

  private var joinToken: String? {
    join ?? ProcessInfo.processInfo.environment["STRAIT_JOIN_TOKEN"]
  }

  /// Cores off, and no crash report: it would print registers, which can hold a prompt. The report is set up before
  /// `main`, so turning it off takes another start of the same program.
  private func keepMemoryToItself() {
    _ = strait_forbid_memory_dumps()
    signal(SIGPIPE, SIG_IGN)
    guard ProcessInfo.processInfo.environment["SWIFT_BACKTRACE"] != "enable=no" else { return }
    setenv("SWIFT_BACKTRACE", "enable=no", 1)
    var arguments = CommandLine.arguments.map { strdup($0) }
    arguments.append(nil)
    execv("/proc/self/exe", &arguments)
    Self.fail(
      "edge-node cannot start again without crash reports: \(String(cString: strerror(errno)))", code: 1)
  }

  private static func fail(_ message: String, code: Int32) -> Never {
    FileHandle.standardError.write(Data((message + "\n").utf8))
    Foundation.exit(code)
  }
}
