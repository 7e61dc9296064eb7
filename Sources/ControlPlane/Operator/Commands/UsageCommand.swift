import AdminAPI
import ArgumentParser

struct UsageCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "usage", abstract: "Usage records: one for each exchange.", subcommands: [List.self])

  struct List: AdminCommand {
    static let configuration = CommandConfiguration(
      abstract: "Show usage records, newest first.",
      discussion:
        "Times are RFC 3339 (2026-11-21T08:00:00Z), a day (2026-11-21, from its start in UTC) or ago (2h).")

    /// So many are asked for at a time.
    static let pageSize = 200

    @Option(help: "Only records of this team, by name or id.")
    var team: String?

    @Option(help: "Only records of this key, by id or public id.")
    var key: String?

    @Option(help: "Only the exchange with this x-request-id; shows everything about it.")
    var request: String?

    @Option(
      help: "Only exchanges that began at this time or later.",
      transform: parsing { try Timestamp.parseBound($0, now: currentSeconds()) })
    var since: Int64?

    @Option(
      help: "Only exchanges that began before this time.",
      transform: parsing { try Timestamp.parseBound($0, now: currentSeconds()) })
    var until: Int64?

    @Option(help: "The most records to show.")
    var limit = 50

    @Flag(help: "Show every field, each on a line.")
    var details = false

    @OptionGroup var global: GlobalOptions

    func validate() throws {
      guard (1...1_000_000).contains(limit) else {
        throw ValidationError("--limit is a number from 1 to 1000000")
      }
      if let since, let until, since >= until { throw ValidationError("--since must be before --until") }
    }

    func perform(_ client: AdminClient) async throws {
      let (records, hasMore) = try await fetch(client)
      if details || request != nil, !global.json, !records.isEmpty {
        try Output.write(Table(records, UsageEntry.allColumns).stacked())
      } else {
        try Output.list(
          records, json: global.json,
          empty: isFiltered
            ? "no usage records match; next: ask with fewer filters"
            : "no usage records yet; next: send a request to an edge (strait edge list shows where)",
          columns: UsageEntry.columns)
      }
      if hasMore {
        Output.note("more records match; next: raise --limit, or narrow with --since and --until")
      }
    }

    private var isFiltered: Bool {
      team != nil || key != nil || request != nil || since != nil || until != nil
    }

    private func fetch(_ client: AdminClient) async throws -> (records: [UsageEntry], hasMore: Bool) {
      var records: [UsageEntry] = []
      var after: String?
      repeat {
        let page: UsagePage = try await client.get(
          AdminRoute.usage,
          query: [
            ("team", team), ("key", key), ("request", request), ("since", since.map(Timestamp.text)),
            ("until", until.map(Timestamp.text)),
            ("limit", String(min(limit - records.count, Self.pageSize))),
            ("after", after),
          ])
        records += page.records
        // A page that leads nowhere must not be asked for again and again.
        guard !page.records.isEmpty, page.next != after else { return (records, false) }
        after = page.next
      } while after != nil && records.count < limit
      return (Array(records.prefix(limit)), after != nil)
    }
  }
}

extension UsageEntry {
  /// What fits beside each other.
  static var columns: [TableColumn<UsageEntry>] {
    [
      .text("STARTED (UTC)") { Timestamp.short($0.startedAt) }, .text("TEAM", \.team),
      .text("MODEL", \.model),
      .text("REGION", \.region), .number("STATUS") { String($0.status) }, .text("OUTCOME", \.outcome),
      .number("INPUT") { String($0.inputTokens) }, .number("OUTPUT") { String($0.outputTokens) },
      .text("SOURCE", \.usageSource), .number("COST USD") { dollars(nanoUSD: $0.costNanoUSD) },
      .text("REQUEST", \.requestID),
    ]
  }

  static var allColumns: [TableColumn<UsageEntry>] {
    [
      .text("request", \.requestID), .text("started", \.startedAt), .text("team", \.team),
      .text("key", \.keyPublicID),
      .text("edge", \.edge), .text("edge region", \.edgeRegion), .text("region", \.region),
      .text("upstream", \.upstream), .text("model", \.model), .text("endpoint", \.endpoint),
      .text("dialect", \.dialect), .text("protocol", \.clientProtocol),
      .text("streamed") { $0.streamed ? "yes" : "no" }, .text("status") { String($0.status) },
      .text("upstream status") { String($0.upstreamStatus) }, .text("outcome", \.outcome),
      .text("attempts") { String($0.attempts) }, .text("usage source", \.usageSource),
      .text("input tokens") { String($0.inputTokens) },
      .text("  of them cached") { String($0.cachedInputTokens) },
      .text("  of them cache write") { String($0.cacheWriteTokens) },
      .text("output tokens") { String($0.outputTokens) },
      .text("  of them reasoning") { String($0.reasoningTokens) },
      .text("cost USD") { dollars(nanoUSD: $0.costNanoUSD) },
      .text("first byte") { milliseconds($0.firstByteMicroseconds) },
      .text("duration") { milliseconds($0.durationMicroseconds) },
      .text("request bytes") { String($0.requestBytes) },
      .text("response bytes") { String($0.responseBytes) },
    ]
  }
}

/// 1,234 µs → `1.234 ms`
private func milliseconds(_ microseconds: UInt64) -> String {
  let fraction = String(microseconds % 1000)
  return "\(microseconds / 1000).\(String(repeating: "0", count: 3 - fraction.count))\(fraction) ms"
}
