import ControlPlaneCore
import Testing

@Suite("Edges that come back at once")
struct StreamAdmissionTests {
  private static func admission(
    perSecond: Double = 10, atOnce: Double = 3, longestWait: Duration = .seconds(1)
  )
    -> StreamAdmission
  {
    var limits = StreamAdmission.Limits()
    limits.perSecond = perSecond
    limits.atOnce = atOnce
    limits.longestWait = longestWait
    return StreamAdmission(limits)
  }

  @Test("a few are let in at once, and the others one by one in their order")
  func order() async throws {
    let admission = Self.admission()
    let now = ContinuousClock.now.advanced(by: .seconds(10))
    var waits = [Duration]()
    for _ in 0..<6 { waits.append(try await admission.turn(at: now)) }
    #expect(waits == [.zero, .zero, .zero, .milliseconds(100), .milliseconds(200), .milliseconds(300)])
  }

  @Test("who would wait too long is turned away and takes nobody's turn")
  func tooMany() async throws {
    let admission = Self.admission()
    let now = ContinuousClock.now.advanced(by: .seconds(10))
    for _ in 0..<13 { _ = try await admission.turn(at: now) }
    for _ in 0..<5 {
      await #expect(throws: Refusal.self) { try await admission.turn(at: now) }
    }
    #expect(try await admission.turn(at: now.advanced(by: .milliseconds(100))) == .seconds(1))
  }

  @Test("after a quiet while a few may come at once again, and no more")
  func recovery() async throws {
    let admission = Self.admission()
    let now = ContinuousClock.now.advanced(by: .seconds(10))
    for _ in 0..<10 { _ = try await admission.turn(at: now) }
    let later = now.advanced(by: .seconds(60))
    var waits = [Duration]()
    for _ in 0..<4 { waits.append(try await admission.turn(at: later)) }
    #expect(waits == [.zero, .zero, .zero, .milliseconds(100)])
  }
}
