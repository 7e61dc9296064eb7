import AdminAPI
import Foundation
import RegionFiles
import Testing

/// What is wrong with one file, as `line: message`.
private func problems(_ text: String, path: String = "regions/eu-west.yaml") -> [String] {
  RegionFiles.check([RegionFile(path: path, text: text)]).problems.map { problem in
    "\(problem.line.map(String.init) ?? "-"): \(problem.message)"
  }
}

private let good = "name: eu-west\ntitle: Western Europe\njurisdiction: EEA\ncountry: IE\n"

@Suite("A region file")
struct RegionFileTests {
  @Test("becomes a region when all is right")
  func accepted() {
    let (regions, problems) = RegionFiles.check([RegionFile(path: "a/eu-west.yaml", text: good)])
    #expect(problems.isEmpty)
    #expect(
      regions == [
        RegionDocument(name: "eu-west", title: "Western Europe", jurisdiction: "EEA", country: "IE")
      ])
  }

  @Test("may be quoted, commented and ordered as its writer likes")
  func style() {
    #expect(
      problems("# ours\ncountry: 'IE'\njurisdiction: \"EEA\"\ntitle: '12'\nname: eu-west # here\n") == [])
  }

  @Test("may name Norway, which YAML 1.1 takes for a boolean")
  func norway() {
    #expect(problems(good.replacing("IE", with: "NO")) == [])
  }

  @Test(
    "is refused with the line and the reason",
    arguments: [
      ("", "-: the file is empty: a region needs name, title, jurisdiction, country"),
      ("- eu-west\n", "1: a region must be a mapping of key: value lines"),
      (good + "contry: IE\n", "5: unknown key \"contry\": a region has name, title, jurisdiction, country"),
      (good.replacing("country: IE\n", with: ""), "1: missing key \"country\""),
      (
        good.replacing("Western Europe", with: "12"),
        "2: title must be text and not a number; put it in quotes if it is meant so"
      ),
      (
        good.replacing("Western Europe", with: ""),
        "2: title must be text and not empty; put it in quotes if it is meant so"
      ),
      (
        good.replacing("Western Europe", with: "true"),
        "2: title must be text and not a boolean; put it in quotes if it is meant so"
      ),
      (
        good.replacing("Western Europe", with: "[a]"),
        "2: title must be text and not a list; put it in quotes if it is meant so"
      ),
      (
        good.replacing("Western Europe", with: "''"),
        "2: title must have 1 to 64 characters and no control characters"
      ),
      (
        good.replacing("eu-west", with: "us-east"), "1: name \"us-east\" must be the file's name, \"eu-west\""
      ),
      (
        good.replacing("EEA", with: "EU"),
        "3: unknown jurisdiction \"EU\": one of AU, BR, CA, CH, EEA, IN, JP, KR, SG, UK, US"
      ),
      (
        good.replacing("IE", with: "Ireland"),
        "4: country \"Ireland\" must be two capital letters (ISO 3166-1 alpha-2), for example IE"
      ),
      (
        good.replacing("EEA", with: "UK"), "4: country IE is not in the jurisdiction UK, which holds GB"
      ),
      ("name: eu-west\n  title: x\n", "2: not valid YAML: mapping values are not allowed in this context"),
      (good + "name: eu-west\n", "5: not valid YAML: key name stands twice"),
      (
        good + "---\n" + good,
        "5: not valid YAML: expected a single document in the stream, but found another document"
      ),
    ])
  func refused(text: String, expected: String) {
    #expect(problems(text) == [expected])
  }

  @Test("tells everything that is wrong at once, in the order of its lines")
  func all() {
    let found = problems("name: EU\ntitle: 1\njurisdiction: EU\nregion: x\n")
    #expect(found.count == 5)
    #expect(found.map { $0.prefix(2) } == ["1:", "1:", "2:", "3:", "4:"])
  }

  @Test("is shown as path, line and message")
  func description() {
    let problem = RegionFileProblem(path: "regions/a.yaml", line: 3, message: "wrong")
    #expect(problem.description == "regions/a.yaml:3: wrong")
    #expect(RegionFileProblem(path: "a", line: nil, message: "wrong").description == "a: wrong")
  }

  @Test("shows no control character of a value on the terminal")
  func controlCharacters() {
    let found = problems(good.replacing("EEA", with: "\"\\e[31mEEA\""))
    #expect(found.count == 1)
    #expect(!found[0].unicodeScalars.contains { $0.properties.generalCategory == .control })
  }
}

@Suite("Region files together")
struct RegionFilesTests {
  @Test("are refused when two hold the same region")
  func duplicates() {
    let (_, problems) = RegionFiles.check([
      RegionFile(path: "a/eu-west.yaml", text: good), RegionFile(path: "b/eu-west.yaml", text: good),
    ])
    #expect(
      problems.map(\.description) == ["b/eu-west.yaml:1: region \"eu-west\" stands in a/eu-west.yaml already"]
    )
  }

  @Test("report the problems of every file")
  func everyFile() {
    let (_, problems) = RegionFiles.check([
      RegionFile(path: "a.yaml", text: ""), RegionFile(path: "eu-west.yaml", text: good),
      RegionFile(path: "b.yaml", text: ""),
    ])
    #expect(problems.map(\.path) == ["a.yaml", "b.yaml"])
  }

  @Test("are found in folders by their extension, each once, in the order of their names")
  func folder() throws {
    try withFolder { folder in
      for name in ["us-west.yml", "eu-west.yaml", "README.md", "schema.json"] {
        try Data(good.utf8).write(to: folder.appending(path: name))
      }
      let (files, problems) = RegionFiles.read([folder.path, folder.appending(path: "eu-west.yaml").path])
      #expect(problems.isEmpty)
      #expect(files.map { $0.path.split(separator: "/").last } == ["eu-west.yaml", "us-west.yml"])
    }
  }

  @Test("that cannot be read are problems and not an empty result")
  func unreadable() throws {
    try withFolder { folder in
      let empty = folder.appending(path: "empty").path
      try FileManager.default.createDirectory(atPath: empty, withIntermediateDirectories: true)
      let binary = folder.appending(path: "a.yaml").path
      try Data([0xFF, 0xFE]).write(to: URL(fileURLWithPath: binary))
      let large = folder.appending(path: "b.yaml").path
      try Data(repeating: 0x23, count: RegionFiles.maximumBytes + 1).write(to: URL(fileURLWithPath: large))
      let absent = folder.appending(path: "none.yaml").path
      let (files, problems) = RegionFiles.read([empty, binary, large, absent, "/dev/null"])
      #expect(files.isEmpty)
      #expect(
        problems.map(\.message) == [
          "the folder holds no .yaml or .yml file", "is not UTF-8 text", "is larger than 65536 bytes",
          "does not exist or may not be looked at", "is not a file",
        ])
    }
  }

  @Test("in the repository are all good, and four")
  func ours() throws {
    let (files, unreadable) = RegionFiles.read([repositoryFolder.appending(path: "regions").path])
    let (regions, problems) = RegionFiles.check(files)
    #expect(unreadable.isEmpty && problems.isEmpty)
    #expect(regions.map(\.name) == ["ap-southeast", "eu-west", "us-east", "us-west"])
  }

  private func withFolder(_ body: (URL) throws -> Void) throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "strait-regions-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer {
      do { try FileManager.default.removeItem(at: folder) } catch { Issue.record(error) }
    }
    try body(folder)
  }
}

let repositoryFolder = URL(fileURLWithPath: #filePath)
  .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent()
