import AdminAPI
import ArgumentParser
import RegionFiles

struct RegionCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "region", abstract: "Regions: the places with a jurisdiction where edges run.",
    subcommands: [Apply.self, List.self])

  struct Apply: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Make the control plane's regions those of region files.",
      discussion: """
        Every file is checked before anything is sent; when one is wrong, all problems are shown and nothing is applied. \
        Regions without a file stay as they are.
        """)

    @Argument(help: "Region files, or folders with .yaml files.")
    var paths: [String]

    @OptionGroup var global: GlobalOptions

    func run() async throws {
      let regions = try Self.regions(at: paths)
      try await AdminClient.connected(to: try global.settings()) { client in
        let result: RegionApplyResult = try await client.put(AdminRoute.regions, regions)
        if global.json { return try Output.json(result) }
        for (word, names) in [
          ("created", result.created), ("changed", result.changed), ("unchanged", result.unchanged),
        ] {
          for name in names { try Output.write("\(printable(name)) \(word)\n") }
        }
      }
    }

    /// All the regions, or one fault that lists everything that is wrong.
    private static func regions(at paths: [String]) throws(OperatorFault) -> [RegionDocument] {
      let (files, unreadable) = RegionFiles.read(paths)
      let (regions, wrong) = RegionFiles.check(files)
      let problems = unreadable + wrong
      guard problems.isEmpty else {
        let places = Set(problems.map(\.path)).count
        throw OperatorFault(
          "\(counted(problems.count, "problem")) in \(counted(places, "file")); nothing was applied",
          next: "correct the lines above (regions/README.md shows how a region is written) and apply again",
          details: problems.map(\.description))
      }
      return regions
    }
  }

  struct List: AdminCommand {
    static let configuration = CommandConfiguration(abstract: "Show the regions.")

    @OptionGroup var global: GlobalOptions

    func perform(_ client: AdminClient) async throws {
      let regions: [RegionDocument] = try await client.get(AdminRoute.regions)
      try Output.list(
        regions, json: global.json, empty: "no regions yet; next: strait region apply regions/",
        columns: [
          .text("NAME", \.name), .text("TITLE", \.title), .text("JURISDICTION", \.jurisdiction),
          .text("COUNTRY", \.country),
        ])
    }
  }
}

/// `1 problem`, `2 problems`
func counted(_ count: some BinaryInteger, _ noun: String) -> String {
  count == 1 ? "1 \(noun)" : "\(count) \(noun)\(noun.hasSuffix("s") ? "es" : "s")"
}
