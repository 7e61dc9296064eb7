import EdgeUplink
import Foundation
import StraitProtocol
import Testing

/// A folder in which processes of edges start one after another.
private struct Folder {
  let scratch: ScratchFolder
  var data: String { scratch.path }
  var names: [String] { listing(data) }

  init() throws { scratch = try ScratchFolder() }

  static func edge(_ number: UInt64) -> EdgeID { EdgeID(high: 1, low: number) }

  func write(identity number: UInt64, evicted: Bool = false) throws {
    let document = #"{"edge_id": "\#(Self.edge(number))", "region": "eu-west", "evicted": \#(evicted)}"#
    try writeFile("\(data)/identity.json", Array(document.utf8))
  }

  /// A start up to where an edge knows who it is, and so many records.
  func start(rejoins: Bool = false, as number: UInt64?, records: Int = 0) throws {
    let owner = FolderOwner(dataDirectory: data, logger: quiet)
    try owner.prepare(rejoins: rejoins)
    let spool = try UsageSpool(directory: "\(data)/spool", logger: quiet)
    defer { spool.close() }
    guard let number else { return }
    owner.claim(for: Self.edge(number))
    for one in 0..<records { spool.append(.numbered(UInt64(one))) }
  }

  func waiting(_ folder: String = "spool") throws -> Int {
    let spool = try UsageSpool(directory: "\(data)/\(folder)", logger: quiet)
    defer { spool.close() }
    return spool.recovery.records
  }

  func aside(_ number: UInt64) -> String { "spool.\(Self.edge(number))" }
}

@Suite("The owner of an edge's folder")
struct FolderOwnerTests {
  @Test("keeps its spool through starts, also from before owners were written down")
  func stays() throws {
    let folder = try Folder()
    try folder.start(as: nil)
    try folder.write(identity: 1)
    try folder.start(as: 1, records: 3)
    try folder.start(as: 1, records: 2)
    #expect(try folder.waiting() == 5)
    unlink("\(folder.data)/spool/edge")
    try folder.start(as: 1)
    #expect(try folder.waiting() == 5 && folder.names == ["identity.json", "spool"])
    // A token that is left in the environment changes nothing, and neither does an eviction by itself.
    try folder.start(rejoins: true, as: 1)
    try folder.write(identity: 1, evicted: true)
    try folder.start(as: nil)
    #expect(try folder.waiting() == 5)
  }

  @Test("that is evicted and joins again leaves it, with what it had heard, and its configuration goes")
  func rejoins() throws {
    let folder = try Folder()
    try folder.write(identity: 1)
    try folder.start(as: 1, records: 3)
    for name in ["revocations", "last-word", "configuration.snapshot", "configuration.snapshot.new"] {
      try writeFile("\(folder.data)/\(name)", [1])
    }
    try folder.write(identity: 1, evicted: true)
    try folder.start(rejoins: true, as: nil)
    #expect(folder.names == ["identity.json", "spool", folder.aside(1)])
    #expect(Set(listing("\(folder.data)/\(folder.aside(1))")).isSuperset(of: ["revocations", "last-word"]))
    try folder.write(identity: 2)
    try folder.start(as: 2, records: 1)
    #expect(try folder.waiting() == 1 && folder.waiting(folder.aside(1)) == 3)
  }

  @Test("is another one where the identity is another, or is gone, and nothing set aside is lost")
  func others() throws {
    let folder = try Folder()
    try folder.write(identity: 1)
    try folder.start(as: 1, records: 3)
    unlink("\(folder.data)/identity.json")
    try folder.start(as: nil)
    // Waiting for the control plane, and started again.
    try folder.start(as: nil)
    #expect(try folder.waiting(folder.aside(1)) == 3)
    try folder.write(identity: 1)
    try folder.start(as: 1, records: 4)
    try folder.write(identity: 2)
    try folder.start(as: 2, records: 5)
    #expect(try folder.waiting(folder.aside(1) + ".2") == 4 && folder.waiting(folder.aside(1)) == 3)
    // Of nobody that can be told.
    unlink("\(folder.data)/identity.json")
    for (name, text) in [("spool.unknown", "../elsewhere"), ("spool.unknown.2", "")] {
      try writeFile("\(folder.data)/spool/edge", Array(text.utf8))
      try folder.start(as: nil)
      #expect(folder.names.contains(name))
    }
    #expect(try folder.waiting("spool.unknown") == 5)
  }

  @Test("whose spool another process has is left alone")
  func held() throws {
    let folder = try Folder()
    try folder.write(identity: 1)
    try folder.start(as: 1, records: 3)
    let spool = try UsageSpool(directory: "\(folder.data)/spool", logger: quiet)
    try folder.write(identity: 2)
    #expect(throws: SystemError.self) { try folder.start(as: 2) }
    spool.close()
    #expect(!folder.names.contains(folder.aside(1)))
  }
}
