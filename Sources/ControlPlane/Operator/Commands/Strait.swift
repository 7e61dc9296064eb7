// `strait`: the operator's command. Nouns and verbs; each noun is a file in this folder.

import ArgumentParser
import Foundation
import StraitProtocol

package struct Strait: AsyncParsableCommand {
  package static let configuration = CommandConfiguration(
    commandName: "strait",
    abstract: "Operate a Strait fleet: regions, edges, upstreams, offers, teams, keys and usage.",
    discussion: """
      The control plane's address and the operator token come from a profile (strait profile set) or from the \
      environment: STRAIT_ADMIN_URL, STRAIT_ADMIN_TOKEN_FILE or STRAIT_ADMIN_TOKEN, STRAIT_CA_FILE, STRAIT_PROFILE. \
      The environment goes before the profile, and --profile before both.

      Results go to standard output, everything else to standard error. Exit status: 0 done, 1 failed, 64 wrong usage.
      """,
    version: SoftwareVersion.current,
    subcommands: [
      RegionCommand.self, EdgeCommand.self, UpstreamCommand.self, OfferCommand.self, TeamCommand.self,
      KeyCommand.self, RevocationCommand.self, VersionCommand.self, RolloutCommand.self, UsageCommand.self,
      DoctorCommand.self,
      ProfileCommand.self,
    ])

  package init() {}

  /// Parses the arguments, runs the command and ends the process with its exit status.
  ///
  /// Ctrl-C ends the process as the system does it: nothing here needs undoing, because every change is one request.
  package static func launch() async -> Never {
    // A closed pipe is an error of `write` and not the end of the process without a word.
    signal(SIGPIPE, SIG_IGN)
    do {
      var command = try parseAsRoot()
      if var asynchronous = command as? any AsyncParsableCommand {
        try await asynchronous.run()
      } else {
        try command.run()
      }
    } catch let fault as OperatorFault {
      Output.fault(fault)
      Foundation.exit(1)
    } catch {
      exit(withError: error)
    }
    Foundation.exit(0)
  }
}

/// What every command takes.
package struct GlobalOptions: ParsableArguments {
  @Option(help: "The profile to use for this command.")
  package var profile: String?

  @Flag(help: "Write JSON for programs instead of text for people.")
  package var json = false

  package init() {}

  package func settings() throws(OperatorFault) -> ConnectionSettings {
    let environment = ProcessInfo.processInfo.environment
    if profile != nil, environment["STRAIT_ADMIN_URL"]?.isEmpty == false {
      Output.note("note: --profile goes before STRAIT_ADMIN_URL, which is not used")
    }
    return try ConnectionSettings.choose(flag: profile, environment: environment) {
      () throws(OperatorFault) in
      try ProfileFile.load(from: try ProfileFile.path(environment: environment))
    }
  }
}

/// A command that talks to the control plane.
package protocol AdminCommand: AsyncParsableCommand {
  var global: GlobalOptions { get }
  /// What must be right before a connection is made.
  func prepare() throws
  func perform(_ client: AdminClient) async throws
}

extension AdminCommand {
  package func prepare() throws {}

  package func run() async throws {
    try prepare()
    try await AdminClient.connected(to: try global.settings()) { client in try await perform(client) }
  }
}

/// Seconds since 1970, UTC.
func currentSeconds() -> Int64 {
  Int64(Date().timeIntervalSince1970)
}

/// Turns a parser of ours into one for the argument parser, which shows the reason behind the value.
func parsing<Value>(_ parse: @escaping @Sendable (String) throws -> Value)
  -> @Sendable (String) throws -> Value
{
  { text in
    do {
      return try parse(text)
    } catch let error as InvalidInput {
      throw ValidationError(error.description)
    }
  }
}
