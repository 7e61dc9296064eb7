import AdminAPI
import ArgumentParser

struct VersionCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "version", abstract: "Versions of the configuration: what changed, and the way back.",
    subcommands: [List.self, Show.self, Diff.self, Rollback.self, Confirm.self])

  struct List: AdminCommand {
    static let configuration = CommandConfiguration(abstract: "Show the versions, newest first.")

    @Option(help: "The most versions to show.")
    var limit = 50

    @Option(help: "Only versions older than this one.")
    var before: UInt64?

    @OptionGroup var global: GlobalOptions

    func validate() throws {
      guard (1...500).contains(limit) else { throw ValidationError("--limit is a number from 1 to 500") }
    }

    func perform(_ client: AdminClient) async throws {
      let versions: [VersionSummary] = try await client.get(
        AdminRoute.versions, query: [("before", before.map(String.init)), ("limit", String(limit))])
      try Output.list(
        versions, json: global.json, empty: "no older versions",
        columns: [
          .number("VERSION") { String($0.version) }, .text("MADE (UTC)") { Timestamp.short($0.madeAt) },
          .text("BY") { $0.actor ?? "" }, .text("ACTION") { $0.action ?? "" },
          .text("SUBJECT") { $0.subject ?? "" }, .number("CHANGES") { String($0.resources) },
          .text("REACHES") { $0.everywhere ? "every edge" : "see rollout list" },
        ])
    }
  }

  struct Show: AdminCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show what a version changed.",
      discussion: "Credentials and digests are never shown, only that there is another one.")

    @Argument(help: "The version.")
    var version: UInt64

    @OptionGroup var global: GlobalOptions

    func perform(_ client: AdminClient) async throws {
      try await show(client, from: nil, to: version, json: global.json)
    }
  }

  struct Diff: AdminCommand {
    static let configuration = CommandConfiguration(abstract: "Show how two versions differ.")

    @Argument(help: "The older version.")
    var from: UInt64

    @Argument(help: "The newer version.")
    var to: UInt64

    @OptionGroup var global: GlobalOptions

    func validate() throws {
      if from >= to { throw ValidationError("give the older version first") }
    }

    func perform(_ client: AdminClient) async throws {
      try await show(client, from: from, to: to, json: global.json)
    }
  }

  struct Rollback: AdminCommand {
    static let configuration = CommandConfiguration(
      abstract: "Go back to what a version had.",
      discussion: """
        Makes a new version in which regions, upstreams, offers and teams are what they were. Access is never given \
        back: revoked keys stay revoked, suspended teams suspended, and keys made since stay too.
        """)

    @Argument(help: "The version to go back to.")
    var version: UInt64

    @Option(
      help:
        "How many regions, upstreams and offers are to go: edges refuse more than a fifth of them otherwise.")
    var confirm: UInt?

    @OptionGroup var global: GlobalOptions

    func perform(_ client: AdminClient) async throws {
      let result: RollbackResult = try await client.post(
        "\(AdminRoute.versions)/\(version)/rollback" + (confirm.map { "?confirm=\($0)" } ?? ""))
      if global.json { return try Output.json(result) }
      try Output.write("version \(result.version) has what version \(result.restores) had\n")
      for name in result.kept { Output.note("region \(name) stays: something stands in it") }
      Output.note("next: strait version show \(result.version); strait edge list")
    }
  }

  struct Confirm: AdminCommand {
    static let configuration = CommandConfiguration(
      abstract: "Have edges take a version that they refuse because much is gone in it.",
      discussion: """
        For edges that were away while keys or offers went: whatever is gone at that version is meant to be. A new \
        version tells them so, with the count for what each one stands on; they still refuse whatever goes beyond it.
        """)

    @Argument(help: "The version; strait edge list shows what edges refused and why.")
    var version: UInt64

    @OptionGroup var global: GlobalOptions

    func perform(_ client: AdminClient) async throws {
      let result: VersionConfirmation = try await client.post("\(AdminRoute.versions)/\(version)/confirm")
      if global.json { return try Output.json(result) }
      try Output.write("version \(result.version) confirms what is gone at version \(result.confirms)\n")
      for edge in result.edges { Output.note(edge.words) }
      Output.note("next: strait edge list")
    }
  }
}

extension ConfirmedEdge {
  fileprivate var words: String {
    let counts = [
      (regions, "regions"), (upstreams, "upstreams"), (offers, "offers"), (teams, "teams"), (keys, "keys"),
    ]
    let gone = counts.filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }.joined(separator: ", ")
    return "edge \(edge) in \(region), at version \(version), may lose \(gone.isEmpty ? "nothing" : gone)"
  }
}

private func show(_ client: AdminClient, from: UInt64?, to: UInt64, json: Bool) async throws {
  let difference: VersionDifference = try await client.get(
    "\(AdminRoute.versions)/\(to)/difference", query: [("from", from.map(String.init))])
  if json { return try Output.json(difference) }
  if difference.resources.isEmpty {
    return Output.note("versions \(difference.from) and \(difference.to) have the same content")
  }
  try Output.write(difference.text)
  if difference.omitted > 0 { Output.note("\(difference.omitted) more differ; --json shows no more either") }
}

extension VersionDifference {
  /// As people know it: a line for each resource, below it `-` and `+` with a field's two values.
  package var text: String {
    resources.map { resource in
      let head =
        "\(resource.change) \(resource.kind) \(printable(resource.name)) (\(printable(resource.id)))\n"
      return resource.fields.reduce(head) { text, field in
        text + (field.before.map { "  - \(field.field): \(printable($0))\n" } ?? "")
          + (field.after.map { "  + \(field.field): \(printable($0))\n" } ?? "")
      }
    }.joined()
  }
}
