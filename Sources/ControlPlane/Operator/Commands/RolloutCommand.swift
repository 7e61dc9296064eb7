import AdminAPI
import ArgumentParser

struct RolloutCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rollout", abstract: "Rollouts: how a version goes to one edge, its region, then all.",
    subcommands: [List.self, Show.self, Resume.self, Abort.self])

  struct List: AdminCommand {
    static let configuration = CommandConfiguration(abstract: "Show the rollouts, newest first.")

    @Option(help: "The most rollouts to show.")
    var limit = 20

    @OptionGroup var global: GlobalOptions

    func validate() throws {
      guard (1...500).contains(limit) else { throw ValidationError("--limit is a number from 1 to 500") }
    }

    func perform(_ client: AdminClient) async throws {
      let rollouts: [RolloutSummary] = try await client.get(
        AdminRoute.rollouts, query: [("limit", String(limit))])
      try Output.list(
        rollouts, json: global.json,
        empty: "no rollouts yet: they begin with the first change while an edge is connected",
        columns: RolloutSummary.columns)
    }
  }

  struct Show: AdminCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show a rollout and the edges that its stage waits for.")

    @Argument(help: "The rollout's number.")
    var number: Int64

    @OptionGroup var global: GlobalOptions

    func perform(_ client: AdminClient) async throws {
      let rollout: RolloutSummary = try await client.get("\(AdminRoute.rollouts)/\(number)")
      if global.json { return try Output.json(rollout) }
      try Output.write(Table([rollout], RolloutSummary.columns).stacked() + "\n")
      try Output.list(
        rollout.edges ?? [], json: false, empty: "no edges to wait for",
        columns: [
          .text("REGION", \.region), .text("STATE") { $0.connected ? "connected" : "away" },
          .number("VERSION") { String($0.version) }, .number("ENDED") { String($0.endedExchanges) },
          .number("FAILED") { String($0.failedExchanges) }, .text("REFUSAL") { $0.refusal ?? "" },
          .text("EDGE", \.edge),
        ])
      if rollout.state == "halted" {
        Output.note("next: strait rollout resume \(number), or strait rollout abort \(number)")
      }
    }
  }

  struct Resume: AdminCommand {
    static let configuration = CommandConfiguration(
      abstract: "Try a halted rollout again, from its first step.")

    @Argument(help: "The rollout's number.")
    var number: Int64

    @OptionGroup var global: GlobalOptions

    func perform(_ client: AdminClient) async throws {
      let rollout: RolloutSummary = try await client.post("\(AdminRoute.rollouts)/\(number)/resume")
      if global.json { return try Output.json(rollout) }
      try Output.write("the content of version \(rollout.target) is tried again\n")
      Output.note("next: strait rollout list")
    }
  }

  struct Abort: AdminCommand {
    static let configuration = CommandConfiguration(
      abstract: "Take a rollout back: every edge gets what was there before, as a new version.")

    @Argument(help: "The rollout's number.")
    var number: Int64

    @OptionGroup var global: GlobalOptions

    func perform(_ client: AdminClient) async throws {
      let rollout: RolloutSummary = try await client.post("\(AdminRoute.rollouts)/\(number)/abort")
      if global.json { return try Output.json(rollout) }
      let version = rollout.rolledBackBy.map { " by version \($0)" } ?? ""
      try Output.write("version \(rollout.target) is taken back\(version)\n")
    }
  }
}

extension RolloutSummary {
  fileprivate static var columns: [TableColumn<RolloutSummary>] {
    [
      .number("ROLLOUT") { String($0.number) }, .number("VERSION") { String($0.target) },
      .text("STATE") { $0.shownState }, .text("BEGAN (UTC)") { Timestamp.short($0.beganAt) },
      .text("ENDED (UTC)") { Timestamp.short($0.endedAt ?? "") }, .text("FIRST REGION") { $0.region ?? "" },
      .text("REASON") { $0.reason ?? "" },
    ]
  }

  private var shownState: String {
    switch state {
    case "running":
      switch stage {
      case "canary": "at one edge"
      case "region": "in one region"
      default: "at all edges, watched"
      }
    case "rolled_back": "rolled back" + (rolledBackBy.map { " by \($0)" } ?? "")
    default: state
    }
  }
}
