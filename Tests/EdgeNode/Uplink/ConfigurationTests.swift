import EdgeUplink
import Foundation
import StraitProtocol
import Testing

@Suite("Following the configuration", .timeLimit(.minutes(5)))
struct ConfigurationTests {
  @Test("applies a snapshot in parts and a delta, each acknowledged after it is in force")
  func snapshotAndDelta() async throws {
    let plane = try FakeControlPlane()
    var parts = [Updates.snapshot(version: 5), Updates.snapshot(version: 5)]
    parts[0].last = false
    parts[0].upserts = [Updates.region("eu-west")]
    parts[1].upserts.removeFirst()
    plane.set { [parts] in $0.greeting = parts }
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: try ScratchFolder())
      try await edge.run {
        let hello = try await plane.nextHello()
        #expect(hello.version == 0)
        #expect(hello.lineage.isEmpty)
        #expect(hello.baseURL == "https://edge.test")
        #expect(try await plane.nextAcknowledgement() == 5)
        #expect(edge.applied.last?.keys.count == 1)
        plane.send(Updates.delta(from: 5, to: 7, team: 30))
        #expect(try await plane.nextAcknowledgement() == 7)
        #expect(edge.applied.last?.teams.count == 2)
        #expect(edge.applied.versions == [5, 7])
      }
    }
  }

  @Test(
    "refuses an update that does not hold together, and one that the tables do not take, and keeps what it has"
  )
  func refusals() async throws {
    let plane = try FakeControlPlane()
    plane.set { $0.greeting = [Updates.snapshot(version: 5)] }
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: try ScratchFolder())
      try await edge.run {
        #expect(try await plane.nextAcknowledgement() == 5)
        plane.send(Updates.dangling(from: 5, to: 6))
        let dangling = try await plane.nextRefusal()
        #expect(dangling.version == 6)
        #expect(dangling.reason == "a key names a team that does not exist")

        edge.applied.refuse(true)
        plane.send(Updates.delta(from: 5, to: 7, team: 30))
        let refused = try await plane.nextRefusal()
        #expect(refused.version == 7)
        #expect(refused.reason == "the tables do not take it")

        edge.applied.refuse(false)
        plane.send(Updates.delta(from: 5, to: 8, team: 31))
        #expect(try await plane.nextAcknowledgement() == 8)
        #expect(edge.applied.versions == [5, 8])
      }
    }
  }

  @Test("refuses what does not come to its hash, and takes everything instead")
  func hashes() async throws {
    let plane = try FakeControlPlane()
    var whole = Updates.snapshot(version: 5)
    whole.contentHash = Data(try ConfigurationState().applying([whole]).contentHash(fromDay: 0))
    plane.set { [whole] in $0.greeting = [whole] }
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: try ScratchFolder())
      try await edge.run {
        #expect(try await plane.nextHello().contract == ContractLevel.current.rawValue)
        #expect(try await plane.nextAcknowledgement() == 5)
        var delta = Updates.delta(from: 5, to: 6, team: 30)
        delta.contentHash = Data(repeating: 7, count: 32)
        plane.send(delta)
        let refusal = try await plane.nextRefusal()
        #expect(refusal.version == 6)
        #expect(refusal.reason.hasPrefix("the content does not match its hash"))
        #expect(edge.uplink.refusals == ["broken_hash": 1])
        #expect(edge.applied.versions == [5])
        // As a control plane does where a delta is refused.
        plane.send(Updates.snapshot(version: 6))
        #expect(try await plane.nextAcknowledgement() == 6)
        #expect(edge.applied.versions == [5, 6])
      }
    }
  }

  @Test("checks hashes after a restart as before it, with what is on its disk")
  func hashesAfterRestart() async throws {
    let plane = try FakeControlPlane()
    var whole = Updates.snapshot(version: 5)
    let state = try ConfigurationState().applying([whole])
    whole.contentHash = Data(state.contentHash(fromDay: 0))
    plane.set { [whole] in $0.greeting = [whole] }
    let folder = try ScratchFolder()
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder)
      let taken = try await edge.run { try await plane.nextAcknowledgement() }
      #expect(taken == 5)
      plane.set { $0.greeting = [] }
      let again = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder, token: nil)
      #expect(try again.uplink.loadLastGood() == state)
      try await again.run {
        // The hello of the first run may come before that of the second.
        while try await plane.nextHello().version != 5 {}
        var delta = Updates.delta(from: 5, to: 6, team: 30)
        let next = try state.applying([delta])
        delta.contentHash = Data(state.contentHash(fromDay: 0))
        plane.send(delta)
        #expect(try await plane.nextRefusal().reason.hasPrefix("the content does not match its hash"))
        delta.contentHash = Data(next.contentHash(fromDay: 0))
        plane.send(delta)
        #expect(try await plane.nextAcknowledgement() == 6)
        #expect(again.applied.last == next)
      }
    }
  }

  @Test("drops what goes on from a refused update, and takes what goes on from what it has")
  func crossing() async throws {
    let plane = try FakeControlPlane()
    plane.set { $0.greeting = [Updates.snapshot(version: 5)] }
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: try ScratchFolder())
      try await edge.run {
        #expect(try await plane.nextHello().version == 0)
        #expect(try await plane.nextAcknowledgement() == 5)
        plane.set { $0.greeting = [] }
        // All of these are under way before the refusal is heard; one of them in two parts.
        plane.send(Updates.dangling(from: 5, to: 6))
        var first = Updates.delta(from: 6, to: 7, team: 30)
        first.last = false
        plane.send(first)
        plane.send(Updates.delta(from: 6, to: 7, team: 31))
        plane.send(Updates.delta(from: 7, to: 8, team: 32))
        plane.send(Updates.delta(from: 5, to: 8, team: 33))
        let said = try await plane.next { event -> String? in
          switch event {
          case .hello(let hello): "hello \(hello.version)"
          case .refusal(let version, _): "refused \(version)"
          case .acknowledgement(let version): "took \(version)"
          default: nil
          }
        }
        #expect(said == "refused 6")
        let next = try await plane.next { event -> String? in
          switch event {
          case .hello(let hello): "hello \(hello.version)"
          case .refusal(let version, _): "refused \(version)"
          case .acknowledgement(let version): "took \(version)"
          default: nil
          }
        }
        #expect(next == "took 8")
        #expect(edge.applied.versions == [5, 8])
        // Once something was taken, what was refused before excuses no gap.
        plane.send(Updates.delta(from: 6, to: 9, team: 34))
        #expect(try await plane.nextHello().version == 0)
      }
    }
  }

  @Test("says with each acknowledgement and each hello what it holds")
  func claims() async throws {
    let plane = try FakeControlPlane()
    plane.set { $0.greeting = [Updates.snapshot(version: 5)] }
    let folder = try ScratchFolder()
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder)
      try await edge.run {
        let hello = try await plane.nextHello()
        #expect(hello.contentHash.isEmpty && hello.hashedFromDay == 0)
        #expect(try await plane.nextAcknowledgement() == 5)
        plane.send(Updates.delta(from: 5, to: 6, team: 30))
        #expect(try await plane.nextAcknowledgement() == 6)
        let held = try #require(edge.applied.last)
        let said = plane.get { $0.lastAcknowledgement }
        #expect(said.version == 6 && said.hashedFromDay > 20_000)
        // What ended before it came into force.
        #expect(said.exchanges.ended == 1 && said.exchanges.failed == 1)
        #expect(Array(said.contentHash) == held.contentHash(fromDay: said.hashedFromDay))
      }
      plane.set { $0.greeting = [] }
      let again = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder, token: nil)
      let held = try #require(try again.uplink.loadLastGood())
      try await again.run {
        let hello = try await plane.next { event -> WireConfigurationHello? in
          if case .hello(let hello) = event, hello.version == 6 { hello } else { nil }
        }
        #expect(Array(hello.contentHash) == held.contentHash(fromDay: hello.hashedFromDay))
      }
    }
  }

  @Test("asks for everything when an update does not go on from what it has")
  func gap() async throws {
    let plane = try FakeControlPlane()
    plane.set { $0.greeting = [Updates.snapshot(version: 5)] }
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: try ScratchFolder())
      try await edge.run {
        let first = try await plane.nextHello()
        #expect(first.version == 0)
        #expect(try await plane.nextAcknowledgement() == 5)
        plane.set { $0.greeting = [Updates.snapshot(version: 9)] }
        plane.send(Updates.delta(from: 8, to: 9, team: 30))
        #expect(try await plane.nextHello().version == 0)
        #expect(try await plane.nextAcknowledgement() == 9)
      }
    }
  }

  @Test("goes on where it was after the control plane has been away, and reports what the fleet's view shows")
  func reconnect() async throws {
    let plane = try FakeControlPlane()
    plane.set { $0.greeting = [Updates.snapshot(version: 5)] }
    let folder = try ScratchFolder()
    let edge = Holder<EdgeUnderTest>()
    let running = Holder<Task<Void, any Error>>()
    let port = try await plane.serve(port: FakeControlPlane.portToReturnTo()) { link, enrolment in
      let made = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder)
      edge.set(made)
      running.set(Task { try await made.uplink.run() })
      #expect(try await plane.nextAcknowledgement() == 5)
      let report = try await plane.next { if case .report(let report) = $0 { report } else { nil } }
      #expect(report.activeExchanges == 3)
      return link
    }
    plane.set { $0.greeting = [] }
    try await plane.serve(port: port) { _, _ in
      let hello = try await plane.nextHello()
      #expect(hello.version == 5)
      #expect(hello.lineage == Updates.lineage)
      _ = try await plane.next { if case .report = $0 { true } else { nil } }
      plane.send(Updates.delta(from: 5, to: 6, team: 30))
      #expect(try await plane.nextAcknowledgement() == 6)
    }
    running.value?.cancel()
    try await running.value?.value
    edge.value?.spool.close()
  }

  @Test("goes by a name as well as by an address")
  func byName() async throws {
    let plane = try FakeControlPlane()
    plane.set { $0.greeting = [Updates.snapshot(version: 1)] }
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(
        plane, link: link, enrolment: enrolment, folder: try ScratchFolder(), host: "localhost")
      let version = try await edge.run { try await plane.nextAcknowledgement() }
      #expect(version == 1)
    }
  }
}

@Suite("The last good configuration", .timeLimit(.minutes(5)))
struct SnapshotTests {
  @Test("is there after a restart without a control plane, sealed, and for this edge alone")
  func restart() async throws {
    let plane = try FakeControlPlane()
    plane.set { $0.greeting = [Updates.snapshot(version: 5)] }
    let folder = try ScratchFolder()
    let state = try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder)
      return try await edge.run {
        _ = try await plane.nextAcknowledgement()
        return edge.applied.last
      }
    }
    let path = "\(folder.path)/data/configuration.snapshot"
    let sealed = try readFile(path)
    #expect(!contains(sealed, Updates.credential))
    #expect(!contains(sealed, "a-model"))
    // Control: the search finds what is not sealed.
    let plain: [UInt8] = try #require(state).snapshot().serializedBytes()
    #expect(contains(plain, Updates.credential))

    let again = try EdgeUnderTest(plane, link: 1, enrolment: 1, folder: folder, token: nil)
    #expect(try again.uplink.loadLastGood() == state)
    again.spool.close()

    // Another edge's key opens nothing.
    let other = try ScratchFolder()
    try await plane.serve { link, enrolment in
      let stranger = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: other)
      defer { stranger.spool.close() }
      _ = try await stranger.uplink.ensureIdentity()
      try writeFile("\(other.path)/data/configuration.snapshot", sealed)
      #expect(try stranger.uplink.loadLastGood() == nil)
    }
  }

  @Test("is ignored when any part of it is damaged")
  func damaged() async throws {
    let plane = try FakeControlPlane()
    plane.set { $0.greeting = [Updates.snapshot(version: 5)] }
    let folder = try ScratchFolder()
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder)
      try await edge.run { _ = try await plane.nextAcknowledgement() }
    }
    let edge = try EdgeUnderTest(plane, link: 1, enrolment: 1, folder: folder, token: nil)
    defer { edge.spool.close() }
    let path = "\(folder.path)/data/configuration.snapshot"
    let whole = try readFile(path)
    for index in whole.indices {
      var bytes = whole
      bytes[index] ^= 0x10
      try writeFile(path, bytes)
      #expect(try edge.uplink.loadLastGood() == nil, "byte \(index)")
    }
    for count in [0, 1, 23, 24, whole.count - 1] {
      try writeFile(path, Array(whole[..<count]))
      #expect(try edge.uplink.loadLastGood() == nil, "\(count) bytes")
    }
    try writeFile(path, whole)
    #expect(try edge.uplink.loadLastGood()?.version == 5)
  }

  private func contains(_ bytes: [UInt8], _ text: String) -> Bool {
    let wanted = Array(text.utf8)
    guard bytes.count >= wanted.count else { return false }
    return (0...(bytes.count - wanted.count)).contains { Array(bytes[$0..<($0 + wanted.count)]) == wanted }
  }
}
