import EdgeUplink
import Foundation
import StraitProtocol
import Testing

@Suite("Watching revocations", .timeLimit(.minutes(5)))
struct RevocationTests {
  @Test("refuses a key and a team at once, stores that, and says so")
  func enforced() async throws {
    let plane = try FakeControlPlane()
    plane.set { $0.greeting = [Updates.snapshot(version: 5)] }
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: try ScratchFolder())
      try await edge.run {
        #expect(try await plane.nextRevocationHello().number == 0)
        plane.send(Revocations.of(key: 4, number: 10, version: 9))
        try await plane.revocationAcknowledged(10)
        #expect(edge.refused.last == [Revocations.key(4)])
        plane.send(Revocations.of(team: 3, number: 12, version: 9))
        try await plane.revocationAcknowledged(12)
        #expect(edge.refused.last == [Revocations.key(4), Revocations.team(3)])
      }
    }
  }

  @Test("is not said to be in force before every worker has taken its turn")
  func everyWorker() async throws {
    let plane = try FakeControlPlane()
    plane.set { $0.greeting = [Updates.snapshot(version: 5)] }
    try await plane.serve { link, enrolment in
      let folder = try ScratchFolder()
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder)
      try await edge.run {
        try await edge.until { $0.versions == [5] }
        _ = try await plane.nextRevocationHello()
        let turn = Signal()
        edge.refused.hold(turn)
        plane.send(Revocations.of(key: 4, number: 10, version: 9))
        try await eventually { edge.refused.last == [Revocations.key(4)] }
        // What is stored before it is in force everywhere would be acknowledged with the next.
        for version in 6..<9 as Range<UInt64> {
          plane.send(Updates.delta(from: version - 1, to: version, team: UInt8(version)))
          try await edge.until { $0.versions.last == version }
        }
        #expect(!listing("\(folder.path)/data").contains("revocations"))
        edge.refused.hold(nil)
        turn.raise()
        try await plane.revocationAcknowledged(10)
        #expect(listing("\(folder.path)/data").contains("revocations"))
      }
    }
  }

  @Test("lets an edge take the configuration that it doubted because that came before the revocation")
  func behindConfiguration() async throws {
    let plane = try FakeControlPlane()
    var snapshot = Updates.snapshot(version: 5)
    let many = UInt8(10)..<160
    snapshot.upserts += [Updates.team(200)] + many.map { Updates.key($0, team: 200) }
    let removal = WireConfigurationUpdate.with { update in
      update.lineage = Updates.lineage
      update.fromVersion = 5
      update.version = 6
      update.last = true
      update.removals = many.map { number in .with { $0.key = Updates.identifier(number) } }
    }
    plane.set { [snapshot] in $0.greeting = [snapshot] }
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: try ScratchFolder())
      try await edge.run {
        try await edge.until { $0.versions == [5] }
        _ = try await plane.nextRevocationHello()
        plane.set { $0.greeting = [removal] }
        plane.send(removal)
        #expect(try await plane.nextRefusal().reason.contains("150 of 151 keys would be gone"))
        plane.send(Revocations.of(team: 200, number: 10, version: 6, confirmed: true))
        #expect(try await plane.nextHello().version == 5)
        #expect(try await plane.nextAcknowledgement() == 6)
        #expect(edge.applied.last?.keys.count == 1)
      }
    }
  }

  @Test("does not wait for a snapshot that is under way")
  func besideSnapshot() async throws {
    let plane = try FakeControlPlane()
    var part = Updates.snapshot(version: 5)
    part.last = false
    plane.set { [part] in $0.greeting = [part] }
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: try ScratchFolder())
      try await edge.run {
        _ = try await plane.nextRevocationHello()
        plane.send(Revocations.of(key: 4, number: 10, version: 9))
        try await plane.revocationAcknowledged(10)
        #expect(edge.applied.last == nil)
      }
    }
  }

  @Test("drops a revocation once the stored configuration has come so far and lacks the key, and not before")
  func pruned() async throws {
    let plane = try FakeControlPlane()
    plane.set { $0.greeting = [Updates.snapshot(version: 5)] }
    let folder = try ScratchFolder()
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder)
      try await edge.run {
        try await edge.until { $0.versions == [5] }
        _ = try await plane.nextRevocationHello()
        plane.send(Revocations.of(key: 4, number: 10, version: 7))
        try await plane.revocationAcknowledged(10)
        // Version 6 is older than the revocation, version 8 still has the key.
        plane.send(Updates.delta(from: 5, to: 6, team: 30))
        try await edge.until { $0.versions.last == 6 }
        plane.send(Updates.delta(from: 6, to: 8, team: 31))
        try await edge.until { $0.versions.last == 8 }
        // What comes next is enforced with all that there is.
        plane.send(Revocations.of(key: 5, number: 11, version: 7))
        try await plane.revocationAcknowledged(11)
        #expect(edge.refused.last?.contains(Revocations.key(4)) == true)
        plane.send(Updates.removal(from: 8, to: 9, key: 4))
        try await eventually { edge.refused.last == [] }
      }
    }
    let again = try EdgeUnderTest(plane, link: 1, enrolment: 1, folder: folder, token: nil)
    defer { again.spool.close() }
    #expect(try again.uplink.loadLastGood()?.version == 9)
    #expect(again.uplink.loadRevocations() == [])
  }

  @Test("enforces after a restart without a control plane what the stored configuration still has")
  func restart() async throws {
    let plane = try FakeControlPlane()
    plane.set { $0.greeting = [Updates.snapshot(version: 5)] }
    let folder = try ScratchFolder()
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder)
      try await edge.run {
        try await edge.until { $0.versions == [5] }
        _ = try await plane.nextRevocationHello()
        plane.send(Revocations.of(key: 4, number: 10, version: 7))
        try await plane.revocationAcknowledged(10)
      }
    }
    let again = try EdgeUnderTest(plane, link: 1, enrolment: 1, folder: folder, token: nil)
    let key = try #require(KeyID(bytes: Updates.identifier(4)))
    let lastGood = try again.uplink.loadLastGood()
    #expect(lastGood?.keys.contains(key) == true)
    #expect(again.uplink.loadRevocations() == [Revocations.key(4)])
    again.spool.close()

    // Back with its number, it is not told again.
    plane.set { $0.greeting = [] }
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder)
      _ = try edge.uplink.loadLastGood()
      _ = edge.uplink.loadRevocations()
      try await edge.run {
        let hello = try await plane.nextRevocationHello()
        #expect(hello.number == 10)
        #expect(hello.lineage == Updates.lineage)
      }
    }
  }

  @Test("asks for everything when any part of the stored revocations is damaged")
  func damaged() async throws {
    let plane = try FakeControlPlane()
    plane.set { $0.greeting = [Updates.snapshot(version: 5)] }
    let folder = try ScratchFolder()
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder)
      try await edge.run {
        _ = try await plane.nextRevocationHello()
        plane.send(Revocations.of(key: 4, number: 10, version: 7))
        try await plane.revocationAcknowledged(10)
      }
    }
    let path = "\(folder.path)/data/revocations"
    let whole = try readFile(path)
    func loaded(_ bytes: [UInt8]) throws -> [RevocationSubject] {
      try writeFile(path, bytes)
      let edge = try EdgeUnderTest(plane, link: 1, enrolment: 1, folder: folder, token: nil)
      defer { edge.spool.close() }
      return edge.uplink.loadRevocations()
    }
    for index in whole.indices {
      var bytes = whole
      bytes[index] ^= 0x10
      #expect(try loaded(bytes) == [], "byte \(index)")
    }
    for count in [0, 23, 24, 48, whole.count - 1] {
      #expect(try loaded(Array(whole[..<count])) == [], "\(count) bytes")
    }
    #expect(try loaded(whole) == [Revocations.key(4)])
  }

  @Test(
    "is not fresh and no source for others while it lacks what was revoked, through restarts, until all is told"
  )
  func lost() async throws {
    let plane = try FakeControlPlane()
    plane.set {
      $0.greeting = [Updates.snapshot(version: 5)]
      $0.revocations = [Revocations.of(key: 4, number: 10, version: 7)]
      $0.answersReports = true
    }
    let folder = try ScratchFolder()
    @Sendable func isLost(_ edge: EdgeUnderTest) -> Bool {
      edge.uplink.value("strait_edge_revocations_lost") == 1
    }
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder)
      try await edge.run {
        try await plane.revocationAcknowledged(10)
        try await eventually { edge.uplink.lastWordAt > .min }
        try await eventually { listing("\(folder.path)/data").contains("configuration.snapshot") }
      }
      #expect(!isLost(edge))
    }
    let file = "\(folder.path)/data/revocations"
    let whole = try readFile(file)
    let heard = try readFile("\(folder.path)/data/last-word")
    // Without a control plane, and then once more, with what such a start forgets put back.
    try writeFile(file, Array(whole.dropLast()))
    for _ in 0..<2 {
      let edge = try EdgeUnderTest(plane, link: 1, enrolment: 1, folder: folder, token: nil)
      defer { edge.spool.close() }
      try writeFile("\(folder.path)/data/last-word", heard)
      #expect(try edge.uplink.loadLastGood()?.version == 5)
      #expect(edge.uplink.lastWordAt > .min)
      #expect(edge.uplink.loadRevocations() == [])
      #expect(isLost(edge) && edge.uplink.lastWordAt == .min)
      #expect(listing("\(folder.path)/data").contains("revocations.damaged"))
      edge.uplink.startIsOver()
    }
    // The lane is there and says nothing yet; the configuration is in step all the while.
    plane.set {
      $0.greeting = []
      $0.knowsRevocations = true
      $0.admitsWatches = false
    }
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder, token: nil) {
        $0.limits.laneTellSeconds = 1
      }
      _ = try edge.uplink.loadLastGood()
      _ = edge.uplink.loadRevocations()
      try await edge.run {
        for _ in 0..<5 { _ = try await plane.nextReport() }
        #expect(isLost(edge) && edge.uplink.lastWordAt == .min)
        plane.set { $0.admitsWatches = true }
        #expect(try await plane.nextRevocationHello().number == 0)
        try await plane.revocationAcknowledged(10)
        try await eventually { edge.uplink.lastWordAt > .min && !isLost(edge) }
        #expect(edge.refused.last == [Revocations.key(4)])
        try await eventually { !listing("\(folder.path)/data").contains("revocations.damaged") }
      }
    }
    let again = try EdgeUnderTest(plane, link: 1, enrolment: 1, folder: folder, token: nil)
    defer { again.spool.close() }
    _ = try again.uplink.loadLastGood()
    #expect(again.uplink.loadRevocations() == [Revocations.key(4)] && !isLost(again))
  }

  @Test("refuses many keys at once with words, until somebody has confirmed that")
  func capped() async throws {
    let plane = try FakeControlPlane()
    var greeting = Updates.snapshot(version: 5)
    greeting.upserts += [Updates.key(5, team: 3), Updates.key(6, team: 3)]
    plane.set { [greeting] in $0.greeting = [greeting] }
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: try ScratchFolder())
      try await edge.run {
        try await edge.until { $0.versions == [5] }
        _ = try await plane.nextRevocationHello()
        plane.send(Revocations.of(team: 3, number: 10, version: 7))
        let refusal = try await plane.nextRevocationRefusal()
        #expect(refusal.number == 10)
        #expect(refusal.reason.hasPrefix("3 of 3 keys would go at once, and nobody has confirmed that"))
        #expect(edge.refused.last ?? [] == [])
        plane.send(Revocations.of(team: 3, number: 11, version: 7, confirmed: true))
        try await plane.revocationAcknowledged(11)
        #expect(edge.refused.last == [Revocations.team(3)])
      }
    }
  }

  @Test("asks again, after a restart, for what it refused before it took later ones")
  func refusedBefore() async throws {
    let plane = try FakeControlPlane()
    var greeting = Updates.snapshot(version: 5)
    greeting.upserts += [Updates.key(5, team: 3), Updates.key(6, team: 3)]
    plane.set { [greeting] in $0.greeting = [greeting] }
    let folder = try ScratchFolder()
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder)
      try await edge.run {
        try await edge.until { $0.versions == [5] }
        _ = try await plane.nextRevocationHello()
        plane.send(Revocations.of(team: 3, number: 10, version: 7))
        _ = try await plane.nextRevocationRefusal()
        plane.send(Revocations.of(key: 77, number: 12, version: 7))
        try await plane.revocationAcknowledged(12)
      }
    }
    plane.set { $0.greeting = [] }
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder)
      _ = try edge.uplink.loadLastGood()
      #expect(edge.uplink.loadRevocations() == [Revocations.key(77)])
      try await edge.run {
        let hello = try await plane.nextRevocationHello()
        #expect(hello.number == 9)
      }
    }
  }

  @Test("refuses what it cannot make sense of, and takes what comes next")
  func malformed() async throws {
    let plane = try FakeControlPlane()
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: try ScratchFolder())
      try await edge.run {
        _ = try await plane.nextRevocationHello()
        var ofNothing = Revocations.of(key: 4, number: 10, version: 7)
        ofNothing.subject = nil
        plane.send(ofNothing)
        #expect(try await plane.nextRevocationRefusal().reason.contains("needs a newer version"))
        var short = Revocations.of(key: 4, number: 11, version: 7)
        short.keyID = Data([1, 2, 3])
        plane.send(short)
        #expect(try await plane.nextRevocationRefusal().number == 11)
        plane.send(Revocations.of(key: 4, number: 12, version: 7))
        try await plane.revocationAcknowledged(12)
      }
    }
  }

  @Test("acknowledges nothing that the disk has not taken, but enforces it")
  func fullDisk() async throws {
    let plane = try FakeControlPlane()
    let folder = try ScratchFolder()
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder) {
        $0.limits.snapshotRetrySeconds = 0.05
      }
      try await edge.run {
        _ = try await plane.nextRevocationHello()
        let obstacle = "\(folder.path)/data/revocations.new"
        #expect(mkdir(obstacle, 0o700) == 0)
        plane.send(Revocations.of(key: 4, number: 10, version: 7))
        try await eventually { edge.refused.last == [Revocations.key(4)] }
        #expect(rmdir(obstacle) == 0)
        try await plane.revocationAcknowledged(10)
        #expect(try readFile("\(folder.path)/data/revocations").starts(with: Array("STRREVOC".utf8)))
      }
    }
  }

  @Test("follows the configuration of a control plane that is older than revocations")
  func olderControlPlane() async throws {
    let plane = try FakeControlPlane()
    plane.set {
      $0.greeting = [Updates.snapshot(version: 5)]
      $0.knowsRevocations = false
    }
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: try ScratchFolder())
      try await edge.run {
        let first = try await plane.nextAcknowledgement()
        #expect(first == 5)
        plane.send(Updates.delta(from: 5, to: 6, team: 30))
        let second = try await plane.nextAcknowledgement()
        #expect(second == 6)
      }
    }
  }
}

enum Revocations {
  static func key(_ number: UInt8) -> RevocationSubject {
    let word = UInt64(number) &* 0x0101_0101_0101_0101
    return .key(KeyID(high: word, low: word))
  }

  static func team(_ number: UInt8) -> RevocationSubject {
    let word = UInt64(number) &* 0x0101_0101_0101_0101
    return .team(TeamID(high: word, low: word))
  }

  static func of(
    key: UInt8? = nil, team: UInt8? = nil, number: UInt64, version: UInt64, confirmed: Bool = false
  ) -> WireRevocation {
    .with {
      $0.lineage = Updates.lineage
      $0.number = number
      $0.version = version
      $0.confirmed = confirmed
      $0.madeAt = 1_700_000_000_000_000
      if let key { $0.keyID = Updates.identifier(key) }
      if let team { $0.teamID = Updates.identifier(team) }
    }
  }
}

extension EdgeUnderTest {
  /// Waits until the configurations that were applied are as wanted.
  func until(_ condition: (Applied) -> Bool) async throws {
    try await eventually { condition(applied) }
  }
}
