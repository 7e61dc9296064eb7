import AdminAPI
import ArgumentParser

struct RevocationCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "revocation", abstract: "Revocations: what was taken away, and where that is in force.",
    subcommands: [List.self, Confirm.self])

  struct List: AdminCommand {
    static let configuration = CommandConfiguration(abstract: "Show the newest revocations and suspensions.")

    @Option(help: "How many at the most.")
    var limit: Int?

    @OptionGroup var global: GlobalOptions

    func validate() throws {
      if let limit, !(1...1000).contains(limit) {
        throw ValidationError("--limit takes a number from 1 to 1000")
      }
    }

    func perform(_ client: AdminClient) async throws {
      let revocations: [RevocationSummary] = try await client.get(
        AdminRoute.revocations, query: [("limit", limit.map(String.init))])
      try Output.list(
        revocations, json: global.json, empty: "nothing was revoked lately",
        columns: [
          .text("MADE (UTC)") { Timestamp.short($0.madeAt) }, .text("TEAM", \.team),
          .text("KEY") { $0.keyPublicID ?? "all" }, .number("KEYS") { String($0.keys) },
          .text("IN FORCE") { "\($0.inForce) of \($0.edges)" }, .text("MISSING", \.missingWords),
          .number("NUMBER") { String($0.number) },
        ])
    }
  }

  struct Confirm: AdminCommand {
    static let configuration = CommandConfiguration(
      abstract: "Have edges take a revocation that they refused because it takes many keys.")

    @Argument(help: "Its number; strait revocation list shows it.")
    var number: UInt64

    @OptionGroup var global: GlobalOptions

    func perform(_ client: AdminClient) async throws {
      let confirmed: RevocationSummary = try await client.put(
        AdminRoute.revocations, id: String(number), [String: String]())
      if global.json { return try Output.json(confirmed) }
      try Output.write("confirmed as \(confirmed.number)\n")
    }
  }
}

extension RevocationSummary {
  fileprivate var missingWords: String {
    missing.map { gap in
      "\(gap.edge) in \(gap.region) "
        + (gap.refusal.map { "refused: \($0)" } ?? (gap.connected ? "waits" : "is away"))
    }.joined(separator: "; ")
  }
}
