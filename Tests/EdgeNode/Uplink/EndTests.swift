import EdgeUplink
import Testing

@Suite("An edge that is told to end", .timeLimit(.minutes(1)))
struct EndTests {
  @Test("does so, whatever its calls are at just then")
  func anyMoment() async throws {
    let plane = try FakeControlPlane()
    let folder = try ScratchFolder()
    try await plane.serve { link, enrolment in
      let edge = try EdgeUnderTest(plane, link: link, enrolment: enrolment, folder: folder)
      defer { edge.spool.close() }
      _ = try await edge.uplink.ensureIdentity()
    }
    // Nobody listens any more: what matters comes before a connection is there.
    let edge = try EdgeUnderTest(plane, link: 1, enrolment: 1, folder: folder, spoolLimits: .small())
    defer { edge.spool.close() }
    for microseconds in stride(from: 0, to: 3_000, by: 10) {
      let running = Task { try await edge.uplink.run() }
      let start = ContinuousClock.now
      while ContinuousClock.now - start < .microseconds(microseconds) { await Task.yield() }
      running.cancel()
      try await running.value
    }
  }
}
