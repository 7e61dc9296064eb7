import EdgeUplink
import Foundation
import StraitProtocol
import Testing

@Suite("Which stored configuration was lived with")
struct StoredProofTests {
  private var proof = StoredProof(seconds: 60, exchanges: 100)

  @Test("is the one that was there a minute before, or a hundred exchanges")
  func proved() {
    var proof = proof
    #expect(!proof.isOpen && proof.next(now: 0, ended: 0) == nil)
    proof.store()
    #expect(proof.isOpen && proof.next(now: 10, ended: 5) == .name)
    #expect(proof.next(now: 69, ended: 104) == nil)
    #expect(proof.next(now: 70, ended: 104) == .promote)
    #expect(!proof.isOpen)
    proof.store()
    #expect(proof.next(now: 71, ended: 200) == .name)
    #expect(proof.next(now: 72, ended: 300) == .promote)
  }

  @Test("is one of many that come in a row, now and then")
  func busy() {
    var proof = proof
    var steps: [String] = []
    for second in 0..<200 {
      proof.store()
      if let step = proof.next(now: Double(second), ended: 0) { steps.append("\(step) \(second)") }
    }
    #expect(
      steps == ["name 0", "promote 60", "name 61", "promote 121", "name 122", "promote 182", "name 183"])
  }

  @Test("is not looked for again where it could not be kept, before there is another one")
  func failed() {
    var proof = proof
    proof.store()
    #expect(proof.next(now: 0, ended: 0) == .name)
    proof.giveUp()
    #expect(!proof.isOpen && proof.next(now: 100, ended: 0) == nil)
    proof.store()
    #expect(proof.next(now: 101, ended: 0) == .name)
  }

  @Test("is known already where a process starts from what the one before proved")
  func known() {
    var proof = proof
    proof.store(isProven: true)
    #expect(!proof.isOpen && proof.next(now: 100, ended: 0) == nil)
  }
}

/// An edge that has lived with version 5 and has stored version 6 since, without key 4.
private struct Lived {
  let plane: FakeControlPlane
  let folder: ScratchFolder
  var data: String { "\(folder.path)/data" }
  var previous: String { "\(data)/configuration.snapshot.previous" }
  var names: [String] { listing(data) }

  init() async throws {
    plane = try FakeControlPlane()
    plane.set { $0.greeting = [Updates.snapshot(version: 5)] }
    folder = try ScratchFolder()
    try await plane.serve { [plane, folder] link, enrolment in
      let first = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder) {
        $0.limits.provenSeconds = 0.02
      }
      try await first.run {
        try await eventually { listing("\(folder.path)/data").contains("configuration.snapshot.previous") }
      }
      plane.set {
        $0.greeting = [Updates.removal(from: 5, to: 6, key: 4)]
        $0.revocations = [Revocations.of(key: 4, number: 10, version: 6)]
      }
      let second = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder, token: nil)
      _ = try second.uplink.loadLastGood()
      _ = second.uplink.loadRevocations()
      try await second.run {
        try await second.until { $0.versions == [6] }
        // In force before it is kept: told to end in between, the edge would not store it.
        try await eventually {
          let data = "\(folder.path)/data"
          return try readFile("\(data)/configuration.snapshot")
            != readFile("\(data)/configuration.snapshot.previous")
        }
        try await eventually { listing("\(folder.path)/data").contains("revocations") }
      }
      second.uplink.startIsOver()
    }
  }

  func start(_ change: (inout UplinkConfiguration) -> Void = { _ in }) throws -> EdgeUnderTest {
    let edge = try EdgeUnderTest(plane, link: 1, enrolment: 1, folder: folder, token: nil) { change(&$0) }
    edge.spool.close()
    return edge
  }

  func dieThreeTimes(at version: UInt64) throws {
    for _ in 0..<3 { #expect(try start().uplink.loadLastGood()?.version == version) }
  }
}

@Suite("The configuration before the stored one", .timeLimit(.minutes(5)))
struct PreviousGoodTests {
  @Test("is started from where the stored one kills, with what was revoked since, and once only")
  func fallsBack() async throws {
    let lived = try await Lived()
    #expect(Updates.snapshot(version: 5).upserts.contains(Updates.key(4, team: 3)))
    // The control: the stored one needs no revocation.
    let well = try lived.start()
    #expect(try well.uplink.loadLastGood()?.version == 6)
    #expect(well.uplink.loadRevocations() == [])
    well.uplink.startIsOver()

    try lived.dieThreeTimes(at: 6)
    let fourth = try lived.start()
    #expect(try fourth.uplink.loadLastGood()?.version == 5)
    #expect(fourth.uplink.loadRevocations() == [Revocations.key(4)])
    #expect(lived.names.contains("configuration.snapshot.set-aside"))
    #expect(!lived.names.contains("configuration.snapshot.previous"))
    // That start has died as well; it takes two more of them.
    for _ in 0..<2 { #expect(try lived.start().uplink.loadLastGood()?.version == 5) }
    #expect(try lived.start().uplink.loadLastGood() == nil)
    #expect(!lived.names.contains("configuration.snapshot"))
  }

  @Test("is started from at once where a trial of the stored one fails")
  func trial() async throws {
    let lived = try await Lived()
    var trial = ConfigurationTrial()
    trial.program = "\(lived.folder.path)/child"
    try writeFile(trial.program, Array("#!/bin/sh\nkill -ILL $$\n".utf8))
    chmod(trial.program, 0o700)
    _ = try lived.start().uplink.loadLastGood()
    let next = try lived.start { $0.trial = trial }
    #expect(try await next.uplink.startFromLastGood()?.version == 5)
    #expect(next.uplink.loadRevocations() == [Revocations.key(4)])
  }

  @Test("is started from where the stored one cannot be read, with what was revoked since, and stays good")
  func unreadable() async throws {
    let lived = try await Lived()
    let snapshot = "\(lived.data)/configuration.snapshot"
    let whole = try readFile(snapshot)
    try writeFile(snapshot, Array(whole.dropLast()))
    let edge = try lived.start()
    #expect(try edge.uplink.loadLastGood()?.version == 5)
    #expect(edge.uplink.loadRevocations() == [Revocations.key(4)])
    #expect(try readFile(snapshot + ".set-aside") == Array(whole.dropLast()))
    #expect(!lived.names.contains("configuration.snapshot.previous"))
    edge.uplink.startIsOver()
    // The next start knows of no trouble.
    let next = try lived.start()
    #expect(try next.uplink.loadLastGood()?.version == 5)
    #expect(next.uplink.metrics.first { $0.name == "strait_edge_configuration_start_deaths" }?.value == 0)
  }

  @Test("is left alone where the stored one cannot be read and it cannot either, or revocations cannot")
  func nothingToStartFrom() async throws {
    for file in ["configuration.snapshot.previous", "revocations"] {
      let lived = try await Lived()
      for name in ["configuration.snapshot", file] {
        try FileManager.default.removeItem(atPath: "\(lived.data)/\(name)")
        try writeFile("\(lived.data)/\(name)", [1, 2, 3])
      }
      #expect(try lived.start().uplink.loadLastGood() == nil)
      #expect(try readFile("\(lived.data)/configuration.snapshot") == [1, 2, 3])
      #expect(!lived.names.contains("configuration.snapshot.set-aside"))
    }
  }

  @Test("is not started from where it is not known what was revoked since")
  func revocationsLost() async throws {
    let lived = try await Lived()
    try lived.dieThreeTimes(at: 6)
    try writeFile("\(lived.data)/revocations", [1, 2, 3])
    #expect(try lived.start().uplink.loadLastGood() == nil)
  }

  @Test("is started from with what was revoked before it was proved, too")
  func revokedBeforeProof() async throws {
    let plane = try FakeControlPlane()
    plane.set { $0.greeting = [Updates.snapshot(version: 5)] }
    let folder = try ScratchFolder()
    let snapshot = "\(folder.path)/data/configuration.snapshot"
    @Sendable func file(_ name: String) -> UInt64? {
      let attributes = try? FileManager.default.attributesOfItem(atPath: name)
      return (attributes?[.systemFileNumber] as? NSNumber)?.uint64Value
    }
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder) {
        $0.limits.provenSeconds = 20
      }
      try await edge.run {
        _ = try await plane.nextRevocationHello()
        try await eventually { file(snapshot + ".unproved") != nil }
        let named = file(snapshot + ".unproved")
        plane.send(Revocations.of(key: 4, number: 10, version: 6))
        try await plane.revocationAcknowledged(10)
        plane.send(Updates.removal(from: 5, to: 6, key: 4))
        try await eventually { file(snapshot) != named }
        #expect(file(snapshot + ".previous") == nil, "version 6 was to be stored first")
        try await eventually { file(snapshot + ".previous") == named }
      }
    }
    func start() throws -> EdgeUnderTest {
      let edge = try EdgeUnderTest(plane, link: 1, enrolment: 1, folder: folder, token: nil)
      edge.spool.close()
      return edge
    }
    for _ in 0..<3 { #expect(try start().uplink.loadLastGood()?.version == 6) }
    let fourth = try start()
    #expect(try fourth.uplink.loadLastGood()?.version == 5)
    #expect(fourth.uplink.loadRevocations() == [Revocations.key(4)])
  }

  @Test("is of no use where it is damaged, and harms nothing")
  func damaged() async throws {
    let lived = try await Lived()
    // Another file, because the stored one may be the same under another name.
    try FileManager.default.removeItem(atPath: lived.previous)
    try writeFile(lived.previous, [1, 2, 3])
    try lived.dieThreeTimes(at: 6)
    #expect(try lived.start().uplink.loadLastGood() == nil)
    let last = try lived.start()
    #expect(try last.uplink.loadLastGood() == nil)
  }

  @Test("is not the stored one itself, which would kill again")
  func same() async throws {
    let lived = try await Lived()
    let edge = try EdgeUnderTest(lived.plane, link: 1, enrolment: 1, folder: lived.folder, token: nil) {
      $0.limits.provenSeconds = 0.02
    }
    #expect(try edge.uplink.loadLastGood()?.version == 6)
    let before = try readFile(lived.previous)
    try await edge.run {
      try await eventually { try readFile(lived.previous) != before }
    }
    #expect(try readFile(lived.previous) == readFile("\(lived.data)/configuration.snapshot"))
    // What was kept for version 5 has gone with it.
    let well = try lived.start()
    #expect(try well.uplink.loadLastGood()?.version == 6)
    well.uplink.startIsOver()
    try lived.dieThreeTimes(at: 6)
    #expect(try lived.start().uplink.loadLastGood() == nil)
  }
}
