import AdminAPI
import ArgumentParser

struct TeamCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "team", abstract: "Teams: who holds keys and pays.",
    subcommands: [Create.self, List.self, Suspend.self, Resume.self])

  struct Create: AdminCommand {
    static let configuration = CommandConfiguration(abstract: "Make a team.")

    @Argument(help: "Its name.")
    var name: String

    @Option(help: "The account that it belongs to, made where it does not exist; \"default\" where absent.")
    var account: String?

    @OptionGroup var global: GlobalOptions

    func perform(_ client: AdminClient) async throws {
      let team: TeamSummary = try await client.post(
        AdminRoute.teams, TeamRequest(name: name, account: account))
      if global.json { return try Output.json(team) }
      try Output.write("\(printable(team.name)) created in \(printable(team.account)) (\(team.id))\n")
      Output.note("next: strait key create --team \(team.name)")
    }
  }

  struct List: AdminCommand {
    static let configuration = CommandConfiguration(abstract: "Show the teams.")

    @OptionGroup var global: GlobalOptions

    func perform(_ client: AdminClient) async throws {
      let teams: [TeamSummary] = try await client.get(AdminRoute.teams)
      try Output.list(
        teams, json: global.json, empty: "no teams yet; next: strait team create NAME",
        columns: [
          .text("NAME", \.name), .text("ACCOUNT", \.account),
          .text("STATE") { $0.suspended ? "suspended" : "active" },
          .text("CREATED (UTC)") { Timestamp.short($0.createdAt) }, .text("ID", \.id),
        ])
    }
  }

  struct Suspend: AdminCommand {
    static let configuration = CommandConfiguration(
      abstract: "Refuse all of a team's keys until it is resumed.",
      discussion: """
        Edges refuse them at once and cut their streams, ahead of the configuration. Where more than a fifth of all keys \
        would go, --confirm has to say how many.
        """)

    @Argument(help: "Its name or id.")
    var team: String

    @OptionGroup var taking: TakingOptions

    @OptionGroup var global: GlobalOptions

    func perform(_ client: AdminClient) async throws {
      var result: SuspensionResult = try await client.put(
        AdminRoute.suspensions, id: team, SuspensionRequest(suspended: true, confirm: taking.confirm))
      let (revocations, unmet) = try await taking.follow(result.revocations, client)
      result.revocations = revocations
      if global.json {
        try Output.json(result)
      } else {
        try Output.write("\(printable(result.team.name)) suspended\n")
        Output.note("to give its keys back: strait team resume \(result.team.name)")
      }
      if let unmet { throw unmet }
    }
  }

  struct Resume: AdminCommand {
    static let configuration = CommandConfiguration(
      abstract: "Accept a suspended team's keys again, as the configuration reaches the edges.")

    @Argument(help: "Its name or id.")
    var team: String

    @OptionGroup var global: GlobalOptions

    func perform(_ client: AdminClient) async throws {
      let result: SuspensionResult = try await client.put(
        AdminRoute.suspensions, id: team, SuspensionRequest(suspended: false, confirm: nil))
      if global.json { return try Output.json(result) }
      try Output.write("\(printable(result.team.name)) resumed\n")
    }
  }
}
