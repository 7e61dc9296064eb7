import AdminAPI
import ArgumentParser

struct TeamCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "team", abstract: "Teams: who holds keys and pays.",
    subcommands: [Create.self, Update.self, List.self, Suspend.self, Resume.self])

  struct Create: AdminCommand {
    static let configuration = CommandConfiguration(abstract: "Make a team.")

    @Argument(help: "Its name.")
    var name: String

    @Option(help: "The account that it belongs to, made where it does not exist; \"default\" where absent.")
    var account: String?

    @Option(
      help:
        "Edges that have not heard from the control plane for longer refuse the team, for example 15m; never where absent.",
      transform: parsing(StalenessText.parse))
    var stalenessLimit: Int?

    @OptionGroup var global: GlobalOptions

    func perform(_ client: AdminClient) async throws {
      let team: TeamSummary = try await client.post(
        AdminRoute.teams,
        TeamRequest(name: name, account: account, stalenessLimitSeconds: stalenessLimit))
      if global.json { return try Output.json(team) }
      try Output.write("\(printable(team.name)) created in \(printable(team.account)) (\(team.id))\n")
      Output.note("next: strait key create --team \(team.name)")
    }
  }

  struct Update: AdminCommand {
    static let configuration = CommandConfiguration(
      abstract: "Change what a team asks of the edges.",
      discussion: """
        With a staleness limit, an edge that has not heard from the control plane for longer refuses the team's requests \
        until it hears again; streams that run go on. For teams to whom a revocation that cannot arrive is worse than an \
        outage.
        """)

    @Argument(help: "Its name or id.")
    var team: String

    @Option(help: "For example 15m; \"never\" takes it away.", transform: parsing(StalenessText.parse))
    var stalenessLimit: Int

    @OptionGroup var global: GlobalOptions

    func perform(_ client: AdminClient) async throws {
      let changed: TeamSummary = try await client.put(
        AdminRoute.teams, id: team, TeamChangeRequest(stalenessLimitSeconds: stalenessLimit))
      if global.json { return try Output.json(changed) }
      try Output.write(
        "\(printable(changed.name)): staleness limit \(StalenessText.text(changed.stalenessLimitSeconds))\n")
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
          .text("STALENESS LIMIT") { StalenessText.text($0.stalenessLimitSeconds) },
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
