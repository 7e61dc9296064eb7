import EdgeUplink
import Foundation
import StraitProtocol
import Testing

private let boot = [UInt8](repeating: 7, count: 16)
private let otherBoot = [UInt8](repeating: 8, count: 16)
private let second: Int64 = 1_000_000

/// Seconds since the boot and of the wall clock.
private func at(_ sinceBoot: Int64, wall: Int64, boot: [UInt8] = boot) -> ClockReading {
  ClockReading(boot: boot, sinceBoot: sinceBoot * second, wall: wall * second)
}

/// Heard at 100 s after the boot, when the wall clock said 5,000.
private func heardAt100() -> LastWord {
  var word = LastWord(beginning: at(90, wall: 4990))
  let taken = word.take(mark: 100 * second, now: at(103, wall: 5003))
  #expect(taken)
  return word
}

@Suite("How long ago the control plane's last word is")
struct LastWordTests {
  @Test("counts from when the report was made, not from when its answer came")
  func sinceReport() {
    let word = heardAt100()
    #expect(word.ageMicroseconds(at(103, wall: 5003)) == 3 * second)
    #expect(word.ageMicroseconds(at(160, wall: 5060)) == 60 * second)
  }

  @Test("counts from the machine's start that the kernel names, which is the same for every process")
  func thisBoot() throws {
    let text = String(decoding: try readFile("/proc/sys/kernel/random/boot_id").prefix(36), as: UTF8.self)
    let known = try #require(UUID(uuidString: text))
    #expect(ClockReading.now().boot == withUnsafeBytes(of: known.uuid) { Array($0) })
  }

  @Test("there is none before the first, and none after it was forgotten")
  func none() {
    var word = LastWord(beginning: at(90, wall: 4990))
    #expect(word.ageMicroseconds(at(91, wall: 4991)) == nil)
    word = heardAt100()
    word.forget()
    #expect(word.ageMicroseconds(at(103, wall: 5003)) == nil && word.stored(at(103, wall: 5003)) == nil)
  }

  @Test(
    "an answer to a report that this process cannot have made is no word",
    arguments: [0, 89, 104, .max / 1_000_000])
  func foreign(mark: Int64) {
    var word = LastWord(beginning: at(90, wall: 4990))
    let taken = word.take(mark: mark * second, now: at(103, wall: 5003))
    #expect(!taken && word.ageMicroseconds(at(103, wall: 5003)) == nil)
  }

  @Test("an older answer that comes late changes nothing")
  func late() {
    var word = heardAt100()
    _ = word.take(mark: 95 * second, now: at(104, wall: 5004))
    #expect(word.ageMicroseconds(at(104, wall: 5004)) == 4 * second)
  }

  @Test("a wall clock that is set back makes nothing fresher, and one that is set ahead makes it older")
  func clockChanges() {
    let word = heardAt100()
    #expect(word.ageMicroseconds(at(160, wall: 1400)) == 60 * second)
    #expect(word.ageMicroseconds(at(160, wall: 8600)) == 3600 * second)
  }

  // Stored at 160 s after the boot and 5,060 by the wall clock, 60 s after the word.
  private var stored: LastWord.Stored {
    LastWord.Stored(reading: at(160, wall: 5060), ageMicroseconds: 60 * second)
  }

  @Test(
    "a restart is not a word: the time until then counts, by whichever clock says more",
    arguments: [
      // Of the same boot 40 s later, the wall clock right, an hour back, an hour ahead.
      (at(200, wall: 5100), 100), (at(200, wall: 1500), 100), (at(200, wall: 8700), 3700),
      // After a reboot there is only the wall clock.
      (at(5, wall: 5100, boot: otherBoot), 100),
    ] as [(ClockReading, Int64)])
  func restart(now: ClockReading, age: Int64) {
    #expect(LastWord(stored, beginning: now).ageMicroseconds(now) == age * second)
  }

  @Test(
    "where the clocks do not tell how long it was, there was none",
    arguments: [
      // Rebooted with a clock that was set back; a clock of the machine that went back.
      at(5, wall: 5059, boot: otherBoot), at(159, wall: 9000),
    ])
  func backwards(now: ClockReading) {
    #expect(LastWord(stored, beginning: now).ageMicroseconds(now) == nil)
  }

  @Test("what is stored comes back, and with any byte of it changed it does not")
  func file() {
    let stored = StoredLastWord(word: stored, lineage: Array(Updates.lineage), version: 17)
    let bytes = LastWordFile.encode(stored)
    #expect(bytes.count == LastWordFile.bytes && LastWordFile.decode(bytes) == stored)
    for index in bytes.indices {
      var damaged = bytes
      damaged[index] ^= 0x10
      #expect(LastWordFile.decode(damaged) == nil, "byte \(index)")
    }
    for count in 0..<bytes.count { #expect(LastWordFile.decode(Array(bytes[..<count])) == nil) }
  }
}

@Suite("Hearing of the control plane", .timeLimit(.minutes(5)))
struct HearingTests {
  @Test("an idle link on which reports are answered is a word, and an open one without answers is none")
  func answers() async throws {
    let plane = try FakeControlPlane()
    plane.set { $0.greeting = [Updates.snapshot(version: 5)] }
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: try ScratchFolder())
      try await edge.run {
        #expect(try await plane.nextAcknowledgement() == 5)
        for _ in 0..<3 { #expect(try await plane.nextReport().mark > 0) }
        #expect(edge.uplink.lastWordAt == .min)
        #expect(edge.uplink.value("strait_edge_control_plane_last_word_age_seconds") == .infinity)
        plane.set { $0.answersReports = true }
        try await eventually { edge.uplink.lastWordAt > .min }
        let first = edge.uplink.lastWordAt
        try await eventually { edge.uplink.lastWordAt > first }
        #expect(edge.uplink.value("strait_edge_control_plane_last_word_age_seconds") ?? .infinity < 60)
        #expect(edge.uplink.value("strait_edge_control_plane_connected") == 1)

        // Half-open: the stream stands, reports go out every 20 ms, and nothing comes back.
        plane.set { $0.answersReports = false }
        try await eventually {
          edge.uplink.value("strait_edge_control_plane_last_word_age_seconds") ?? 0 > 0.5
        }
        #expect(edge.uplink.value("strait_edge_control_plane_connected") == 1)
      }
    }
  }

  @Test("an edge that starts from its disk without a control plane remembers when it heard it last")
  func restart() async throws {
    let plane = try FakeControlPlane()
    plane.set {
      $0.greeting = [Updates.snapshot(version: 5)]
      $0.answersReports = true
    }
    let folder = try ScratchFolder()
    let before = try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder)
      try await edge.run {
        #expect(try await plane.nextAcknowledgement() == 5)
        try await eventually { edge.uplink.lastWordAt > .min }
      }
      return edge.uplink.lastWordAt
    }
    let again = try EdgeUnderTest(plane, link: 9, enrolment: 9, folder: folder)
    #expect(again.uplink.lastWordAt == .min)
    #expect(try again.uplink.loadLastGood()?.version == 5)
    #expect(again.uplink.lastWordAt > .min && again.uplink.lastWordAt <= before + 100_000)
    again.spool.close()

    // With a damaged file, and with one about a newer configuration than the disk has, nothing was heard.
    let file = "\(folder.path)/data/last-word"
    let good = try #require(LastWordFile.decode(try readFile(file)))
    #expect(good.version == 5)
    var newer = good
    newer.version = 6
    var other = good
    other.lineage[0] ^= 1
    let bad =
      [Array("STRLASTW, but nothing that one can trust".utf8)] + [newer, other].map(LastWordFile.encode)
    for (bytes, isHeard) in bad.map({ ($0, false) }) + [(LastWordFile.encode(good), true)] {
      try writeFile(file, bytes)
      let started = try EdgeUnderTest(plane, link: 9, enrolment: 9, folder: folder)
      #expect(try started.uplink.loadLastGood()?.version == 5)
      #expect((started.uplink.lastWordAt > .min) == isHeard)
      started.uplink.startIsOver()
      started.spool.close()
    }
  }

  @Test("what was heard and refused is counted, by the kind of doubt")
  func refusals() async throws {
    let plane = try FakeControlPlane()
    plane.set { $0.greeting = [Updates.snapshot(version: 5)] }
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: try ScratchFolder())
      try await edge.run {
        #expect(try await plane.nextAcknowledgement() == 5)
        #expect(edge.uplink.refusals == [:])
        plane.send(Updates.dangling(from: 5, to: 6))
        _ = try await plane.nextRefusal()
        edge.applied.refuse(true)
        plane.send(Updates.delta(from: 5, to: 7, team: 30))
        _ = try await plane.nextRefusal()
        #expect(edge.uplink.refusals == ["dangling": 1, "unusable": 1])
        #expect(edge.uplink.value("strait_edge_configuration_heard_version") == 7)
      }
    }
  }
}

extension Uplink {
  func value(_ name: String) -> Double? { metrics.first { $0.name == name }?.value }

  /// By reason, those that are not zero.
  var refusals: [String: Double] {
    let prefix = "strait_edge_configuration_refusals_total{reason=\""
    let counted = metrics.filter { $0.name.hasPrefix(prefix) && $0.value > 0 }
    return Dictionary(
      uniqueKeysWithValues: counted.map { (String($0.name.dropFirst(prefix.count).dropLast(2)), $0.value) })
  }
}
