import AdminAPI
import ArgumentParser

struct EdgeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "edge", abstract: "Edges: the nodes that answer clients.",
    subcommands: [Invite.self, List.self])

  struct Invite: AdminCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make a join token for a new edge.",
      discussion: "The token is good for one edge in one region and is shown once, alone on standard output.")

    @Option(help: "The region in which the edge will stand.")
    var region: String

    @Option(
      help: "How long the token can be used, for example 1h.", transform: parsing(DurationText.parseSeconds))
    var validFor: Int?

    @OptionGroup var global: GlobalOptions

    func perform(_ client: AdminClient) async throws {
      let invitation: JoinToken = try await client.post(
        AdminRoute.joinTokens, JoinTokenRequest(region: region, validSeconds: validFor))
      if global.json { return try Output.json(invitation) }
      try Output.write(printable(invitation.token) + "\n")
      Output.note(
        "for one edge in \(invitation.region), until \(invitation.expiresAt); it is not shown again")
      Output.note("next: start edge-node with it, then: strait edge list")
    }
  }

  struct List: AdminCommand {
    static let configuration = CommandConfiguration(abstract: "Show the edges and whether they are in step.")

    @OptionGroup var global: GlobalOptions

    func perform(_ client: AdminClient) async throws {
      let edges: [EdgeSummary] = try await client.get(AdminRoute.edges)
      try Output.list(
        edges, json: global.json, empty: "no edges yet; next: strait edge invite --region NAME",
        columns: [
          .text("REGION", \.region), .text("BASE URL", \.baseURL),
          .text("STATE") { $0.connected ? "connected" : "away" },
          .text("CONFIGURATION") { $0.step },
          .number("SPOOLED") { String($0.spooledRecords) }, .number("LOST") { String($0.lostRecords) },
          .text("VERSION", \.softwareVersion),
          .text("LAST SEEN (UTC)") { Timestamp.short($0.lastSeenAt ?? "") },
          .text("ID", \.id),
        ])
    }
  }
}

extension EdgeSummary {
  /// Where its configuration stands against the newest.
  fileprivate var step: String {
    if let refusal { return "refused \(newestVersion): \(refusal)" }
    return version == newestVersion ? "in step (\(version))" : "\(version) of \(newestVersion)"
  }
}
