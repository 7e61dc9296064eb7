import EdgeUplink
import Foundation
import StraitProtocol
import Testing

/// A child that does not do what a trial does, and what a person is told of it.
private struct Child: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let script: String
  let words: String
  var change: @Sendable (inout ConfigurationTrial) -> Void = { _ in }
}

private let children = [
  Child(testDescription: "traps", script: "kill -ILL $$", words: "the trial process crashed (signal 4)"),
  Child(testDescription: "aborts", script: "kill -ABRT $$", words: "the trial process crashed (signal 6)"),
  Child(testDescription: "fails", script: "exit 3", words: "the trial process failed (exit code 3)"),
  Child(
    testDescription: "hangs", script: "sleep 600", words: "the trial process did not finish in 1 s",
    change: { $0.seconds = 1 }),
  Child(
    testDescription: "hangs with its output closed", script: "exec >&- <&-; sleep 600",
    words: "the trial process did not finish in 1 s", change: { $0.seconds = 1 }),
  Child(
    testDescription: "leaves a child of its own that hangs", script: "sleep 600 & exit 4",
    words: "the trial process failed (exit code 4)"),
  Child(
    testDescription: "computes without end", script: "while :; do :; done",
    words: "the trial process used all the processor time that it had", change: { $0.processorSeconds = 1 }),
  Child(
    testDescription: "prints garbage", script: "echo all is well",
    words: "the trial process ended without a verdict"),
  Child(
    testDescription: "prints without end", script: "while :; do echo passed; done",
    words: "the trial process said more than a verdict"),
  Child(testDescription: "says nothing", script: ":", words: "the trial process ended without a verdict"),
  Child(
    testDescription: "passes and fails", script: "echo passed; exit 1",
    words: "the trial process failed (exit code 1)"),
  Child(
    testDescription: "refuses", script: "echo 'refused: an upstream has no origin'; exit 1",
    words: "in a trial: an upstream has no origin"),
]

@Suite("The trial of a configuration", .timeLimit(.minutes(5)))
struct TrialTests {
  private func state(_ version: UInt64 = 5) throws -> ConfigurationState {
    try ConfigurationState().applying([Updates.snapshot(version: version)])
  }

  private func trial(_ script: String, in folder: ScratchFolder) throws -> ConfigurationTrial {
    var trial = ConfigurationTrial()
    trial.program = "\(folder.path)/child"
    let file = open(trial.program, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o700)
    try #require(file >= 0)
    let text = Array("#!/bin/sh\n\(script)\n".utf8)
    try #require(write(file, text, text.count) == text.count)
    close(file)
    try #require(trial.program.waitUntilNobodyWrites())
    return trial
  }

  private func words(of trial: ConfigurationTrial) async throws -> String? {
    do {
      try await trial.run(try state())
      return nil
    } catch let fault as TrialFault {
      return fault.description
    }
  }

  @Test("says in words what became of a child that does not do what it should", arguments: children)
  fileprivate func faults(_ child: Child) async throws {
    let folder = try ScratchFolder()
    var trial = try trial(child.script, in: folder)
    child.change(&trial)
    #expect(try await words(of: trial) == child.words)
    #expect(trial.counts.failed == 1)
    #expect(trial.counts.passed == 0)
  }

  @Test(
    "gives a child so much memory and no more",
    .disabled(if: getenv("STRAIT_SANITIZER") != nil, "what is built for a sanitizer limits no memory"))
  func memory() async throws {
    let folder = try ScratchFolder()
    var trial = try trial("a=xxxxxxxxxxxxxxxx; while :; do a=$a$a; done", in: folder)
    trial.memoryBytes = 64 << 20
    #expect(try await words(of: trial) == "the trial process crashed (signal 11)")
    #expect(trial.counts.failed == 1)
  }

  @Test("fails where the program is gone or may not be run")
  func cannotRun() async throws {
    let folder = try ScratchFolder()
    var trial = try trial("echo passed", in: folder)
    #expect(try await words(of: trial) == nil)
    #expect(trial.counts.passed == 1)
    try #require(chmod(trial.program, 0o600) == 0)
    #expect(try await words(of: trial) == "the trial cannot be run: Permission denied")
    trial.program += "-that-is-gone"
    #expect(try await words(of: trial) == "the trial cannot be run: No such file or directory")
  }

  @Test("shows its child no descriptor, no environment and no core of the edge's, and gives it no privileges")
  func confinement() async throws {
    let folder = try ScratchFolder()
    // More than the child may have.
    let opened = (0..<100).map { _ in open("/dev/null", O_RDONLY) }
    defer { opened.forEach { close($0) } }
    // The shell has its script and what it pipes at a few more than the three.
    let trial = try trial(
      """
      n=12
      while [ $n -lt 300 ]; do
        [ -e /proc/$$/fd/$n ] && more="$more $n"
        n=$((n+1))
      done
      echo "refused: descriptors${more- none} core $(ulimit -c) files $(ulimit -f)" \
        "new $(grep NoNewPrivs /proc/$$/status | tr -dc 01) home ${HOME-none}" \
        "arguments $(tr '\\0' ' ' </proc/$$/cmdline | grep -c canary)"
      exit 1
      """, in: folder)
    #expect(
      try await words(of: trial)
        == "in a trial: descriptors none core 0 files 0 new 1 home none arguments 0")
  }

  @Test("ends its child when the edge is told to end")
  func cancelled() async throws {
    let folder = try ScratchFolder()
    var trial = try trial("sleep 600", in: folder)
    trial.seconds = 600
    let running = Task { [trial] in try await trial.run(try state()) }
    running.cancel()
    await #expect(throws: CancellationError.self) { try await running.value }
  }

  @Test("is for changed regions, upstreams and offers, and not for keys and teams")
  func needed() throws {
    let standing = try state()
    func isNeeded(_ upsert: WireResource) throws -> Bool {
      let update: WireConfigurationUpdate = .with {
        $0.lineage = Updates.lineage
        $0.fromVersion = 5
        $0.version = 6
        $0.last = true
        $0.upserts = [upsert]
      }
      return ConfigurationTrial.isNeeded(for: try standing.applying([update]), after: standing)
    }
    #expect(try isNeeded(Updates.region("us-west")))
    #expect(try isNeeded(Updates.upstream(8)))
    #expect(try isNeeded(Updates.offer(9, upstream: 1)))
    #expect(try !isNeeded(Updates.team(30)))
    #expect(try !isNeeded(Updates.key(31, team: 3)))
    // The same sent again as a whole snapshot.
    #expect(ConfigurationTrial.isNeeded(for: standing, after: ConfigurationState()))
    #expect(!ConfigurationTrial.isNeeded(for: try state(6), after: standing))
  }

  @Test("takes few of many keys, with their teams")
  func sample() throws {
    var update = Updates.snapshot(version: 5)
    update.upserts += (UInt8(50)..<90).map(Updates.team)
    var packed = PackedKeys()
    for number in UInt64(0)..<5_000 {
      var digest = KeyDigest()
      digest.words = (number &* 0x9E37_79B9_7F4A_7C15, number, 0, 0)
      let team = UInt8(50 + number % 40)
      packed.append(
        KeyRecord(
          id: KeyID(high: 1, low: number), teamID: try #require(TeamID(bytes: Updates.identifier(team))),
          digest: digest, expiresAt: 0))
    }
    update.packedKeys = packed.bytes
    let sample = try ConfigurationState().applying([update]).sample(keys: 10)
    #expect(sample.keys.count == 10)
    #expect(sample.offers.count == 1)
    #expect(Set(sample.keys.teams.teams) == Set(sample.teams.keys))
    #expect(try ConfigurationState().applying([sample.snapshot()]) == sample)
  }

  @Test(
    "is stood by a good configuration in this very program, and refused by one that OpenSSL does not take")
  func realProgram() async throws {
    var trial = ConfigurationTrial()
    trial.program = try builtProgram("edge-node")
    trial.region = "eu-west"
    try await trial.run(try state())
    var update = Updates.snapshot(version: 6)
    var upstream = Updates.upstream(7)
    upstream.upstream.name = "private"
    upstream.upstream.origin = "https://model.internal"
    // Passes for a certificate until somebody reads it.
    upstream.upstream.caPem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    update.upserts.append(upstream)
    do {
      try await trial.run(try ConfigurationState().applying([update]))
      Issue.record("it stood")
    } catch let fault as TrialFault {
      #expect(fault.description.hasPrefix("in a trial: upstream private: "), "\(fault)")
    }
    #expect(trial.counts.passed == 1)
    #expect(trial.counts.failed == 1)
  }

  @Test("makes the edge refuse what does not stand it, keep what it has, and take changed keys without one")
  func refused() async throws {
    let plane = try FakeControlPlane()
    let folder = try ScratchFolder()
    let good = try trial("echo passed", in: folder)
    plane.set { $0.greeting = [Updates.snapshot(version: 5)] }
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(
        plane, link: link, enrolment: enrolment, folder: try ScratchFolder(), change: { $0.trial = good })
      try await edge.run {
        #expect(try await plane.nextAcknowledgement() == 5)
        #expect(good.counts.passed == 1)
        _ = try trial("kill -ILL $$", in: folder)
        plane.send(delta(5, 6, offer(40)))
        let refusal = try await plane.nextRefusal()
        #expect(refusal.version == 6)
        #expect(refusal.reason == "the trial process crashed (signal 4)")
        plane.send(delta(5, 7, Updates.key(41, team: 3)))
        #expect(try await plane.nextAcknowledgement() == 7)
        _ = try trial("echo passed", in: folder)
        plane.send(delta(7, 8, offer(42)))
        #expect(try await plane.nextAcknowledgement() == 8)
        #expect(edge.applied.versions == [5, 7, 8])
        #expect(good.counts.passed == 2)
        #expect(good.counts.failed == 1)
      }
    }
  }
}

private func delta(_ from: UInt64, _ to: UInt64, _ upsert: WireResource) -> WireConfigurationUpdate {
  .with {
    $0.lineage = Updates.lineage
    $0.fromVersion = from
    $0.version = to
    $0.last = true
    $0.upserts = [upsert]
  }
}

private func offer(_ number: UInt8) -> WireResource {
  var offer = Updates.offer(number, upstream: 1)
  offer.offer.model = "model-\(number)"
  return offer
}

extension String {
  /// A program that is open for writing cannot be run, and a child that another test has just started may still hold it
  /// open. The kernel gives nobody a lease to read such a file.
  fileprivate func waitUntilNobodyWrites() -> Bool {
    let setLease: Int32 = 1024
    let file = open(self, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return false }
    defer { close(file) }
    for _ in 0..<10_000 {
      if fcntl(file, setLease, F_RDLCK) == 0 { return fcntl(file, setLease, F_UNLCK) == 0 }
      guard errno == EAGAIN else { return false }
      usleep(1_000)
    }
    return false
  }
}
