import AdminAPI
import ArgumentParser

struct KeyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "key", abstract: "Keys: what clients show to an edge.",
    subcommands: [Create.self, List.self, Revoke.self])

  struct Create: AdminCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make a key.",
      discussion: "The key is shown once, alone on standard output; only its digest is stored.")

    @Option(help: "The team that holds it, by name or id.")
    var team: String

    @Option(help: "A name to know it by.")
    var name: String?

    @Option(
      help: "How long it is good for, for example 30d; for ever where absent.",
      transform: parsing(DurationText.parseSeconds))
    var validFor: Int?

    @OptionGroup var global: GlobalOptions

    func perform(_ client: AdminClient) async throws {
      let request = KeyRequest(team: team, name: name, validSeconds: validFor)
      let new: NewKey = try await client.post(AdminRoute.keys, request)
      do {
        if global.json { return try Output.json(new) }
        try Output.write(printable(new.key) + "\n")
      } catch let fault as OperatorFault {
        throw OperatorFault(
          fault.message,
          next: "nobody has seen the key: strait key revoke \(new.summary.publicID), and create another")
      }
      let end = new.summary.expiresAt.map { "good until \($0)" } ?? "good until it is revoked"
      Output.note("key \(new.summary.publicID) of \(new.summary.team), \(end)")
      Output.note(
        "next: store it now, it is not shown again; to end it: strait key revoke \(new.summary.publicID)")
    }
  }

  struct List: AdminCommand {
    static let configuration = CommandConfiguration(abstract: "Show the keys, without their secrets.")

    @Option(help: "Only keys of this team, by name or id.")
    var team: String?

    @OptionGroup var global: GlobalOptions

    func perform(_ client: AdminClient) async throws {
      let keys: [KeySummary] = try await client.get(AdminRoute.keys, query: [("team", team)])
      let now = currentSeconds()
      try Output.list(
        keys, json: global.json,
        empty: team.map { "team \($0) has no keys; next: strait key create --team \($0)" }
          ?? "no keys yet; next: strait key create --team NAME",
        columns: [
          .text("KEY", \.publicID), .text("TEAM", \.team), .text("NAME", \.name),
          .text("STATE") { $0.state(now: now) }, .text("CREATED (UTC)") { Timestamp.short($0.createdAt) },
          .text("EXPIRES (UTC)") { Timestamp.short($0.expiresAt ?? "") },
          .text("REVOKED (UTC)") { Timestamp.short($0.revokedAt ?? "") }, .text("ID", \.id),
        ])
    }
  }

  struct Revoke: AdminCommand {
    static let configuration = CommandConfiguration(
      abstract: "End keys at every edge.",
      discussion: """
        There is no way back: create new keys instead. Edges refuse them at once and cut their streams, ahead of the \
        configuration. Where more than a fifth of all keys would go, --confirm has to say how many.
        """)

    @Argument(help: "The keys' ids, or the public ids that stand in them after sk-strait-.")
    var ids: [String] = []

    @Option(help: "All keys of this team instead, by name or id.")
    var team: String?

    @OptionGroup var taking: TakingOptions

    @OptionGroup var global: GlobalOptions

    func validate() throws {
      if ids.isEmpty == (team == nil) {
        throw ValidationError("give the id of a key, or a --team; strait key list shows them")
      }
      if ids.contains("") { throw ValidationError("give the id of a key; strait key list shows them") }
      if ids.contains(where: { $0.hasPrefix("sk-") }) {
        throw ValidationError(
          "give the key's id and not the key, which now stands in the shell's history; strait key list shows the ids"
        )
      }
    }

    func perform(_ client: AdminClient) async throws {
      let request = RevocationRequest(
        ids: team == nil ? ids : nil, team: team, confirm: taking.confirm)
      var result: RevocationResult = try await client.post(AdminRoute.revocations, request)
      let (revocations, unmet) = try await taking.follow(result.revocations, client)
      result.revocations = revocations
      if global.json {
        try Output.json(result)
      } else {
        for key in result.keys {
          try Output.write("\(printable(key.publicID)) of \(printable(key.team)) revoked\n")
        }
        if let team { try Output.write("\(result.revokedKeys) keys of \(printable(team)) revoked\n") }
      }
      if let unmet { throw unmet }
    }
  }
}

extension KeySummary {
  fileprivate func state(now: Int64) -> String {
    if revokedAt != nil { return "revoked" }
    if let expiresAt, let end = Timestamp.parse(expiresAt), end <= now { return "expired" }
    return "active"
  }
}
