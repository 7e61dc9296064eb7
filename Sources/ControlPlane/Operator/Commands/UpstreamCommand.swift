import AdminAPI
import ArgumentParser
import Foundation

struct UpstreamCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "upstream", abstract: "Upstreams: the origins that answer, each in a region.",
    subcommands: [Add.self, List.self])

  struct Add: AdminCommand {
    static let configuration = CommandConfiguration(
      abstract: "Add an upstream.",
      discussion: """
        A credential is read from a file or from standard input and never from an argument, because arguments stand in \
        the list of processes and in the shell's history. It is sent to this upstream's origin only.
        """)

    enum HTTPVersion: String, CaseIterable, ExpressibleByArgument {
      case http1, http2, negotiated
    }

    enum CredentialStyle: String, CaseIterable, ExpressibleByArgument {
      case none
      case bearer
      case apiKey = "api-key"
    }

    enum Network: String, CaseIterable, ExpressibleByArgument {
      case `public`, `private`
    }

    @Argument(help: "A name for it.")
    var name: String

    @Option(help: "The region in which it processes.")
    var region: String

    @Option(help: "Its origin, with the path before /v1 where it has one: https://HOST[:PORT][/PREFIX].")
    var url: String

    @Option(help: "How to speak to it; negotiated is for https only.")
    var httpVersion: HTTPVersion?

    @Option(help: "How it wants its credential: bearer where one is given, or api-key for x-api-key.")
    var credentialStyle: CredentialStyle?

    @Option(help: "A file with the credential, closed to other users.")
    var credentialFile: String?

    @Flag(help: "Read the credential from standard input.")
    var credentialStdin = false

    @Option(help: "A file with the CA to trust there, in PEM form, instead of the system's.")
    var caFile: String?

    @Flag(
      name: .customLong("private"),
      help: "Only edges of its own region may use it; others hear neither of it nor of its offers.")
    var isPrivate = false

    @Option(
      help: """
        Where its addresses may be: public ones alone, or those of private networks too, such as loopback and 10.0.0.0/8. \
        Edges check each address that they connect to.
        """)
    var network = Network.public

    /// Only there to be refused with the reason.
    @Option(help: .hidden)
    var credential: String?

    @OptionGroup var global: GlobalOptions

    func validate() throws {
      if credential != nil {
        throw ValidationError(
          "a credential in an argument can be read in the list of processes and in the shell's history; "
            + "use --credential-file or --credential-stdin, and replace this one")
      }
      if credentialFile != nil && credentialStdin {
        throw ValidationError("give --credential-file or --credential-stdin, not both")
      }
      let isGiven = credentialFile != nil || credentialStdin
      switch credentialStyle {
      case .some(.none) where isGiven:
        throw ValidationError("--credential-style none takes no credential")
      case .bearer where !isGiven, .apiKey where !isGiven:
        throw ValidationError("this credential style needs --credential-file or --credential-stdin")
      default: break
      }
    }

    func perform(_ client: AdminClient) async throws {
      let request = UpstreamRequest(
        name: name, region: region, url: url, httpVersion: httpVersion?.rawValue,
        credentialStyle: credentialStyle?.rawValue, credential: try readCredential()?.text,
        caPEM: try caFile.map { path in try readAuthority(path) }, private: isPrivate ? true : nil,
        network: network.rawValue)
      let upstream: UpstreamSummary = try await client.post(AdminRoute.upstreams, request)
      if global.json { return try Output.json(upstream) }
      try Output.write(
        "\(printable(upstream.name)) added in \(printable(upstream.region)) (\(upstream.id))\n")
      Output.note(
        "next: strait offer add MODEL --upstream \(upstream.name) --dialect openai --input-price P --output-price P"
      )
    }

    private func readCredential() throws(OperatorFault) -> Secret? {
      if let credentialFile { return try Secret.read(file: credentialFile, what: "credential") }
      return credentialStdin ? try Secret.readStandardInput(what: "credential") : nil
    }

    private func readAuthority(_ path: String) throws(OperatorFault) -> String {
      let next = "give a file of certificates in PEM form"
      let text: String
      do {
        text = try String(contentsOfFile: path, encoding: .utf8)
      } catch {
        throw OperatorFault("could not read the CA file \(path)", next: next)
      }
      guard text.contains("-----BEGIN CERTIFICATE-----") else {
        throw OperatorFault("the CA file \(path) holds no certificate", next: next)
      }
      guard !text.contains("PRIVATE KEY-----") else {
        throw OperatorFault(
          "the CA file \(path) holds a private key, which must not be sent anywhere",
          next: "give a file with the certificates alone")
      }
      return text
    }
  }

  struct List: AdminCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show the upstreams, without their credentials.")

    @OptionGroup var global: GlobalOptions

    func perform(_ client: AdminClient) async throws {
      let upstreams: [UpstreamSummary] = try await client.get(AdminRoute.upstreams)
      try Output.list(
        upstreams, json: global.json,
        empty: "no upstreams yet; next: strait upstream add NAME --region R --url URL",
        columns: [
          .text("NAME", \.name), .text("REGION", \.region),
          .text("FOR") { $0.private ? "its region" : "all" }, .text("URL", \.url),
          .text("NETWORK") { $0.network ?? "private" },
          .text("HTTP", \.httpVersion),
          .text("CREDENTIAL", \.credentialStyle), .text("CREATED (UTC)") { Timestamp.short($0.createdAt) },
          .text("ID", \.id),
        ])
    }
  }
}
