import AdminAPI
import ArgumentParser

struct TeamCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "team", abstract: "Teams: who holds keys and pays.", subcommands: [Create.self, List.self])

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
          .text("CREATED (UTC)") { Timestamp.short($0.createdAt) }, .text("ID", \.id),
        ])
    }
  }
}
