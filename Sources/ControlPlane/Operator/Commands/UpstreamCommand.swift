import AdminAPI
import ArgumentParser
import Foundation

struct UpstreamCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "upstream", abstract: "Upstreams: the origins that answer, each in a region.",
    subcommands: [Add.self, Update.self, List.self])

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

  struct Add: AdminCommand {
    static let configuration = CommandConfiguration(
      abstract: "Add an upstream.",
      discussion: """
        A credential is read from a file or from standard input and never from an argument, because arguments stand in \
        the list of processes and in the shell's history. It is sent to this upstream's origin only.
        """)

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

    @OptionGroup var secrets: UpstreamSecrets

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

    @OptionGroup var global: GlobalOptions

    func validate() throws {
      switch credentialStyle {
      case .some(.none) where secrets.isCredentialGiven:
        throw ValidationError("--credential-style none takes no credential")
      case .bearer where !secrets.isCredentialGiven, .apiKey where !secrets.isCredentialGiven:
        throw ValidationError("this credential style needs --credential-file or --credential-stdin")
      default: break
      }
    }

    func perform(_ client: AdminClient) async throws {
      let request = UpstreamRequest(
        name: name, region: region, url: url, httpVersion: httpVersion?.rawValue,
        credentialStyle: credentialStyle?.rawValue, credential: try secrets.readCredential()?.text,
        caPEM: try secrets.readAuthority(), private: isPrivate ? true : nil, network: network.rawValue)
      let upstream: UpstreamSummary = try await client.post(AdminRoute.upstreams, request)
      if global.json { return try Output.json(upstream) }
      try Output.write(
        "\(printable(upstream.name)) added in \(printable(upstream.region)) (\(upstream.id))\n")
      Output.note(
        "next: strait offer add MODEL --upstream \(upstream.name) --dialect openai --input-price P --output-price P"
      )
    }
  }

  struct Update: AdminCommand {
    static let configuration = CommandConfiguration(
      abstract: "Change an upstream: another credential, another address.",
      discussion: """
        What is not given stays. A credential goes only to the origin that it was given for, so another origin needs its \
        credential with it. The change goes to one edge first, and is taken back where that edge then fails.
        """)

    @Argument(help: "Its name or id.")
    var upstream: String

    @Option(help: "Its origin, with the path before /v1 where it has one: https://HOST[:PORT][/PREFIX].")
    var url: String?

    @Option(help: "How to speak to it; negotiated is for https only.")
    var httpVersion: HTTPVersion?

    @Option(help: "How it wants its credential; none takes the credential away.")
    var credentialStyle: CredentialStyle?

    @OptionGroup var secrets: UpstreamSecrets

    @Flag(name: .customLong("system-ca"), help: "Trust the system's CAs again, and no CA of its own.")
    var trustsSystem = false

    @Flag(
      name: .customLong("private"), inversion: .prefixedNo,
      help: "Whether only edges of its own region may use it.")
    var isPrivate: Bool?

    @Option(help: "Where its addresses may be: public ones alone, or those of private networks too.")
    var network: Network?

    @OptionGroup var global: GlobalOptions

    func validate() throws {
      if credentialStyle == .some(.none) && secrets.isCredentialGiven {
        throw ValidationError("--credential-style none takes no credential")
      }
      if trustsSystem && secrets.caFile != nil {
        throw ValidationError("give --ca-file or --system-ca, not both")
      }
      let isChange =
        url != nil || httpVersion != nil || credentialStyle != nil || isPrivate != nil || trustsSystem
        || secrets.caFile != nil || secrets.isCredentialGiven || network != nil
      if !isChange { throw ValidationError("say what is to change, for example --credential-file FILE") }
    }

    func perform(_ client: AdminClient) async throws {
      let request = UpstreamChangeRequest(
        url: url, httpVersion: httpVersion?.rawValue, credentialStyle: credentialStyle?.rawValue,
        credential: try secrets.readCredential()?.text,
        caPEM: trustsSystem ? "" : try secrets.readAuthority(), private: isPrivate, network: network?.rawValue
      )
      let changed: UpstreamSummary = try await client.put(AdminRoute.upstreams, id: upstream, request)
      if global.json { return try Output.json(changed) }
      try Output.write("\(printable(changed.name)) changed (\(changed.id))\n")
      Output.note("next: strait rollout list shows when every edge has it")
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
