import EdgeDataPath
import Testing

@Suite struct OverloadTests {
  @Test func aWorkerGivesItsShareBackOnceForEachLook() {
    let overload = Overload(
      MemoryPressure(limitBytes: 1000, drainPercent: 92, refusePercent: 95, resetPercent: 98))
    var first: UInt64 = 0
    var second: UInt64 = 0
    // Nobody has looked yet.
    #expect(overload.takeShare(of: 2, after: &first) == 0)
    overload.look(now: 0)
    let share = overload.takeShare(of: 2, after: &first)
    #expect(share > 0)
    // What it gave back is not seen yet.
    #expect(overload.takeShare(of: 2, after: &first) == 0)
    #expect(overload.takeShare(of: 2, after: &second) == share)
    overload.look(now: 1)
    #expect(overload.takeShare(of: 2, after: &first) > 0)
  }
}
