import AdminAPI
import ArgumentParser

struct EdgeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "edge", abstract: "Edges: the nodes that answer clients.",
    subcommands: [Invite.self, List.self, Evict.self])

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
    static let configuration = CommandConfiguration(
      abstract: "Show the edges and whether they are in step.",
      discussion: """
        CONFIGURATION is the version that the edge acknowledged last, and for how long there has been a newer one. SPOOLED \
        counts usage records that the control plane has not taken yet, LOST those that never come.
        """)

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
          .text("LAST WORD") { $0.silentSeconds.map { "\(DurationText.text(seconds: $0)) ago" } ?? "never" },
          .text("CERTIFICATE ENDS (UTC)") { Timestamp.short($0.certificateExpiresAt) },
          .text("SOFTWARE", \.softwareVersion),
          .text("ID", \.id),
        ])
    }
  }
}

extension EdgeCommand {
  struct Evict: AdminCommand {
    static let configuration = CommandConfiguration(
      abstract: "Take an edge out of the fleet at once.",
      discussion: """
        Every control plane ends the edge's streams and refuses its calls, usage too; the edge ends its clients' streams \
        in peace and stops. There is no way back for it: with a new join token the same machine becomes a new edge.
        """)

    @Argument(help: "The edge's id.")
    var id: String

    @OptionGroup var global: GlobalOptions

    func validate() throws {
      if id.isEmpty { throw ValidationError("give the id of an edge; strait edge list shows them") }
    }

    func perform(_ client: AdminClient) async throws {
      let edge: EdgeSummary = try await client.delete(AdminRoute.edges, id: id)
      if global.json { return try Output.json(edge) }
      try Output.write("\(printable(edge.id)) in \(printable(edge.region)) evicted\n")
    }
  }
}

extension EdgeSummary {
  /// Where its configuration stands against the newest.
  fileprivate var step: String {
    if let refusal, let refusedVersion { return "refused \(refusedVersion), runs \(version): \(refusal)" }
    if let refusal { return "\(version): \(refusal)" }
    if version == newestVersion { return "in step (\(version))" }
    return "\(version) of \(newestVersion), \(DurationText.text(seconds: lagSeconds)) behind"
  }
}
