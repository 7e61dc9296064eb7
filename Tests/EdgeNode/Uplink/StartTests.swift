import EdgeUplink
import Foundation
import StraitProtocol
import Testing

private let boot = [UInt8](repeating: 7, count: 16)
private let otherBoot = [UInt8](repeating: 8, count: 16)

private func mark(_ deaths: UInt32, underWay: Bool, boot: [UInt8] = boot) -> StartMark {
  StartMark(boot: boot, deaths: deaths, isUnderWay: underWay)
}

@Suite("The mark of a start")
struct StartMarkTests {
  @Test("counts a death for each start that said nothing of its end")
  func deaths() {
    var last: StartMark?
    for deaths in 0..<4 as Range<UInt32> {
      last = StartMark.next(after: last, boot: boot)
      #expect(last == mark(deaths, underWay: true))
    }
  }

  @Test("neither counts nor forgives a start that was asked to end")
  func asked() {
    #expect(StartMark.next(after: mark(2, underWay: false), boot: boot) == mark(2, underWay: true))
  }

  @Test("does not blame the configuration for a machine that went down")
  func powerLoss() {
    let next = StartMark.next(after: mark(1, underWay: true, boot: otherBoot), boot: boot)
    #expect(next == mark(1, underWay: true))
  }

  @Test("is the same when it is read, and nothing when a bit of it is not")
  func coding() {
    let written = mark(2, underWay: true).encoded
    #expect(StartMark(written) == mark(2, underWay: true))
    for index in written.indices {
      var bytes = written
      bytes[index] ^= 0x10
      #expect(StartMark(bytes) == nil, "byte \(index)")
    }
    #expect(StartMark(Array(written.dropLast())) == nil && StartMark([]) == nil)
  }
}

/// Processes that start from the same folder one after another; each is an uplink that is dropped like a dead process.
private struct Starts {
  let plane: FakeControlPlane
  let folder: ScratchFolder
  var snapshot: String { "\(folder.path)/data/configuration.snapshot" }

  /// With version 5 on disk.
  init() async throws {
    plane = try FakeControlPlane()
    plane.set { $0.greeting = [Updates.snapshot(version: 5)] }
    folder = try ScratchFolder()
    try await plane.serve { [plane, folder] link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder)
      try await edge.run { _ = try await plane.nextAcknowledgement() }
    }
  }

  func next(_ change: (inout UplinkConfiguration) -> Void = { _ in }) throws -> EdgeUnderTest {
    let edge = try EdgeUnderTest(plane, link: 1, enrolment: 1, folder: folder, token: nil) { change(&$0) }
    edge.spool.close()
    return edge
  }

  var names: [String] { listing("\(folder.path)/data") }
}

@Suite("Starts that die of the stored configuration", .timeLimit(.minutes(5)))
struct StartTests {
  private func deaths(_ edge: EdgeUnderTest) -> Double? {
    metric("strait_edge_configuration_start_deaths", edge)
  }
  private func setAside(_ edge: EdgeUnderTest) -> Double? {
    metric("strait_edge_configuration_set_aside", edge)
  }
  private func metric(_ name: String, _ edge: EdgeUnderTest) -> Double? {
    edge.uplink.metrics.first { $0.name == name }?.value
  }

  @Test("set it aside after the third, and begin with nothing")
  func third() async throws {
    let starts = try await Starts()
    for died in 0..<3 {
      let edge = try starts.next()
      #expect(try edge.uplink.loadLastGood()?.version == 5)
      #expect(deaths(edge) == Double(died) && setAside(edge) == 0)
    }
    let before = try readFile(starts.snapshot)
    let fourth = try starts.next()
    #expect(try fourth.uplink.loadLastGood() == nil)
    #expect(setAside(fourth) == 1)
    #expect(try readFile(starts.snapshot + ".set-aside") == before)
    #expect(
      !starts.names.contains("configuration.snapshot") && !starts.names.contains("configuration.starts"))
    // The next process knows that one lies there, and is not blamed for it.
    let fifth = try starts.next()
    #expect(try fifth.uplink.loadLastGood() == nil)
    #expect(deaths(fifth) == 0 && setAside(fifth) == 1)
  }

  @Test("are not counted when the process was asked to end")
  func asked() async throws {
    let starts = try await Starts()
    for _ in 0..<5 {
      let edge = try starts.next()
      #expect(try edge.uplink.loadLastGood()?.version == 5)
      #expect(deaths(edge) == 0)
      edge.uplink.startIsOver()
    }
  }

  @Test("are counted when the process was asked to end after it had started for too long, and had not served")
  func hanging() async throws {
    let starts = try await Starts()
    func start(_ end: (EdgeUnderTest) -> Void, startSeconds: Double = 0) throws -> Double? {
      let edge = try starts.next { $0.limits.startSeconds = startSeconds }
      _ = try edge.uplink.loadLastGood()
      end(edge)
      return deaths(edge)
    }
    #expect(try start { $0.uplink.askedToEnd() } == 0)
    // It served in the end, it was asked soon, or it ended in good order all the same.
    #expect(
      try start {
        $0.uplink.serves()
        $0.uplink.askedToEnd()
      } == 1)
    #expect(try start({ $0.uplink.askedToEnd() }, startSeconds: 30) == 1)
    #expect(
      try start {
        $0.uplink.askedToEnd()
        $0.uplink.startIsOver()
      } == 1)
    #expect(try start { $0.uplink.askedToEnd() } == 1)
    #expect(try start { $0.uplink.askedToEnd() } == 2)
    let last = try starts.next()
    #expect(try last.uplink.loadLastGood() == nil)
    #expect(setAside(last) == 1)
  }

  @Test("are forgotten once the edge has proved to live with it")
  func proved() async throws {
    let starts = try await Starts()
    _ = try starts.next().uplink.loadLastGood()
    let second = try starts.next { $0.limits.provenSeconds = 0.01 }
    #expect(try second.uplink.loadLastGood()?.version == 5)
    #expect(deaths(second) == 1)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await second.uplink.run() }
      while starts.names.contains("configuration.starts") { try await Task.sleep(for: .milliseconds(5)) }
      group.cancelAll()
      try await group.waitForAll()
    }
    #expect(deaths(second) == 0)
    let third = try starts.next()
    _ = try third.uplink.loadLastGood()
    #expect(deaths(third) == 0)
  }

  @Test("bring no harm where the mark is damaged or cannot be written")
  func noMark() async throws {
    let starts = try await Starts()
    let path = "\(starts.folder.path)/data/configuration.starts"
    _ = try starts.next().uplink.loadLastGood()
    try writeFile(path, [1, 2, 3])
    let damaged = try starts.next()
    #expect(try damaged.uplink.loadLastGood()?.version == 5)
    #expect(deaths(damaged) == 0)
    try FileManager.default.removeItem(atPath: path)
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    for _ in 0..<5 {
      let edge = try starts.next()
      #expect(try edge.uplink.loadLastGood()?.version == 5)
    }
  }

  // MARK: The trial

  private func trial(_ script: String, in starts: Starts) throws -> ConfigurationTrial {
    var trial = ConfigurationTrial()
    trial.program = "\(starts.folder.path)/child"
    try writeFile(trial.program, Array("#!/bin/sh\n\(script)\n".utf8))
    chmod(trial.program, 0o700)
    return trial
  }

  @Test(
    "are followed by a trial, which sets it aside at once where it crashes too", arguments: ["ILL", "ABRT"])
  func trialCrashes(signal: String) async throws {
    let starts = try await Starts()
    let trial = try trial("kill -\(signal) $$", in: starts)
    let first = try starts.next { $0.trial = trial }
    #expect(try await first.uplink.startFromLastGood()?.version == 5)
    #expect(trial.counts.failed == 0, "a start after an orderly one needs none")
    let second = try starts.next { $0.trial = trial }
    #expect(try await second.uplink.startFromLastGood() == nil)
    #expect(trial.counts.failed == 1 && setAside(second) == 1)
    // It asks for everything.
    try await starts.plane.serve { link, enrolment in
      let third = try EdgeUnderTest(
        starts.plane, link: link, enrolment: enrolment, folder: starts.folder, token: nil)
      #expect(try await third.uplink.startFromLastGood() == nil)
      let hello = try await third.run { try await starts.plane.nextHello() }
      #expect(hello.version == 0)
    }
  }

  @Test(
    "go on from it after a trial that passed, or that could not be held",
    arguments: ["echo passed", "kill -KILL $$"])
  func trialPasses(script: String) async throws {
    let starts = try await Starts()
    let trial = try trial(script, in: starts)
    for _ in 0..<3 {
      let edge = try starts.next { $0.trial = trial }
      #expect(try await edge.uplink.startFromLastGood()?.version == 5)
    }
    #expect(trial.counts.passed + trial.counts.failed == 2)
    let last = try starts.next { $0.trial = trial }
    #expect(try await last.uplink.startFromLastGood() == nil)
  }
}
