import ArgumentParser
import Foundation
import NIOSSL

struct ProfileCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "profile", abstract: "Profiles: control planes by name.",
    subcommands: [Set.self, List.self, Use.self])

  struct Set: ParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make or change a profile; the first becomes the one that is used.",
      discussion: "A profile names the file that holds the operator token, never the token.")

    @Argument(help: "Its name.")
    var name: String

    @Option(help: "The control plane's admin address, https://HOST:PORT.")
    var adminURL: String?

    @Option(help: "The file with the operator token, closed to other users.")
    var tokenFile: String?

    @Option(help: "The file with the CA to trust, in PEM form, instead of the system's.")
    var caFile: String?

    /// Only there to be refused with the reason.
    @Option(help: .hidden)
    var token: String?

    func validate() throws {
      guard ProfileFile.isName(name) else {
        throw ValidationError("a profile's name is letters, digits, dot, dash and underscore, 64 at most")
      }
      if token != nil {
        throw ValidationError(
          "a token in an argument can be read in the list of processes and in the shell's history; "
            + "use --token-file, and replace this token")
      }
    }

    func run() throws {
      let path = try ProfileFile.path(environment: ProcessInfo.processInfo.environment)
      var file = try ProfileFile.load(from: path)
      let old = file.profiles[name]
      guard let adminURL = adminURL ?? old?.adminURL,
        let tokenFile = tokenFile.map(absolute) ?? old?.tokenFile
      else {
        throw ValidationError("a new profile needs --admin-url and --token-file")
      }
      let profile = Profile(
        adminURL: adminURL, tokenFile: tokenFile, caFile: caFile.map(absolute) ?? old?.caFile)
      try check(profile)
      file.profiles[name] = profile
      file.current = file.current ?? name
      try file.save(to: path)
      Output.note(
        "profile \"\(name)\" saved\(file.current == name ? " and used" : "; next: strait profile use \(name)")"
      )
    }

    /// Everything that can be seen to be wrong now is better said now.
    private func check(_ profile: Profile) throws(OperatorFault) {
      _ = try AdminAddress(profile.adminURL, source: "--admin-url")
      _ = try Secret.read(file: profile.tokenFile, what: "token")
      guard let caFile = profile.caFile else { return }
      do {
        _ = try NIOSSLCertificate.fromPEMFile(caFile)
      } catch {
        throw OperatorFault(
          "could not read the CA file \(caFile)",
          next: "check that it exists and holds certificates in PEM form")
      }
    }

    private func absolute(_ path: String) -> String {
      URL(fileURLWithPath: path).standardizedFileURL.path
    }
  }

  struct List: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show the profiles.")

    @Flag(help: "Write JSON for programs instead of text for people.")
    var json = false

    private struct Row: Encodable {
      let name: String
      let adminURL: String
      let tokenFile: String
      let caFile: String?
      let current: Bool
    }

    func run() throws {
      let file = try ProfileFile.load(
        from: try ProfileFile.path(environment: ProcessInfo.processInfo.environment))
      let rows = file.profiles.sorted { $0.key < $1.key }.map { name, profile in
        Row(
          name: name, adminURL: profile.adminURL, tokenFile: profile.tokenFile, caFile: profile.caFile,
          current: name == file.current)
      }
      try Output.list(
        rows, json: json,
        empty: "no profiles yet; next: strait profile set NAME --admin-url URL --token-file FILE",
        columns: [
          .text("USED") { $0.current ? "*" : "" }, .text("NAME", \.name), .text("ADMIN URL", \.adminURL),
          .text("TOKEN FILE", \.tokenFile), .text("CA FILE") { $0.caFile ?? "" },
        ])
    }
  }

  struct Use: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Choose the profile that is used from now on.")

    @Argument(help: "Its name.")
    var name: String

    func run() throws {
      let path = try ProfileFile.path(environment: ProcessInfo.processInfo.environment)
      var file = try ProfileFile.load(from: path)
      guard file.profiles[name] != nil else {
        let known = file.profiles.keys.sorted().joined(separator: ", ")
        throw OperatorFault(
          "there is no profile \"\(name)\"",
          next: known.isEmpty ? "make one with: strait profile set \(name)" : "use one of \(known)")
      }
      file.current = name
      try file.save(to: path)
      Output.note("profile \"\(name)\" is used")
    }
  }
}
