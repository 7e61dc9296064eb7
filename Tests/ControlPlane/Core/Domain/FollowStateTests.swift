import ControlPlaneCore
import StraitProtocol
import Testing

@Suite("What a follower is sent next")
struct FollowStateTests {
  private let lineage = LineageID(high: 1, low: 2)

  private func state(holding version: UInt64, lineage other: LineageID? = nil, newest: UInt64 = 9)
    -> FollowState
  {
    FollowState(holding: version, ofLineage: (other ?? lineage).bytes, here: lineage, newest: newest)
  }

  @Test("a newcomer gets a snapshot, and then deltas")
  func newcomer() {
    var state = state(holding: 0)
    #expect(state.next(newest: 9) == 0)
    state.sent(from: 0, to: 9)
    #expect(state.next(newest: 9) == nil)
    #expect(state.next(newest: 10) == 9)
  }

  @Test("who holds a known version gets a delta from it, or nothing")
  func returning() {
    #expect(state(holding: 5).next(newest: 9) == 5)
    #expect(state(holding: 9).next(newest: 9) == nil)
  }

  @Test("another lineage, or a version that is not here, gets a snapshot")
  func stranger() {
    #expect(state(holding: 5, lineage: LineageID(high: 3, low: 4)).next(newest: 9) == 0)
    #expect(state(holding: 12).next(newest: 9) == 0)
  }

  @Test(
    "a refused delta is followed by a snapshot, a refused snapshot by nothing until there is a newer version")
  func refusals() {
    var state = state(holding: 5)
    state.sent(from: 5, to: 9)
    #expect(state.refuse(9) == 0)
    #expect(state.next(newest: 9) == 0)
    state.sent(from: 0, to: 9)
    #expect(state.refuse(9) == 0)
    #expect(state.next(newest: 9) == nil)
    #expect(state.next(newest: 10) == 0)
  }

  @Test("what was read before a refusal came is not sent behind it")
  func refusalWhileReading() throws {
    var state = state(holding: 5)
    state.sent(from: 5, to: 9)
    #expect(state.refuse(9) == 0)
    state.sent(from: 0, to: 9)
    let asked = try #require(state.next(newest: 10))
    #expect(state.refuse(9) == 0)
    let isStillDue = state.send(from: asked, to: 10, asked: asked, newest: 10)
    #expect(!isStillDue)
    #expect(state.next(newest: 10) == 0)
    let isDue = state.send(from: 0, to: 10, asked: 0, newest: 10)
    #expect(isDue && state.base == 10)
  }

  @Test("a refusal is answered with what was refused, also where a halt has lowered what the edge may have")
  func loweredCeiling() {
    var state = state(holding: 5)
    #expect(state.target(ceiling: 5) == 5)
    state.sent(from: 5, to: 6)
    state.acknowledge(6)
    state.sent(from: 6, to: 7)
    #expect(state.refuse(7) == 0)
    let target = state.target(ceiling: 5)
    #expect(target == 7 && state.next(newest: target) == 0)
    state.sent(from: 0, to: target)
    #expect(state.refuse(7) == 0)
    #expect(state.next(newest: state.target(ceiling: 5)) == nil)
    #expect(state.next(newest: state.target(ceiling: 8)) == 0)
  }

  @Test("only the refusal of a snapshot is final, for the version may come again otherwise")
  func finality() {
    var state = state(holding: 5)
    state.sent(from: 5, to: 6)
    state.sent(from: 6, to: 7)
    #expect(!state.isFinal(refusalOf: 6))
    #expect(state.refuse(6) == 0)
    state.sent(from: 5, to: 7)
    #expect(!state.isFinal(refusalOf: 7))
    #expect(state.refuse(7) == 0)
    state.sent(from: 0, to: 7)
    #expect(state.isFinal(refusalOf: 7))
  }

  @Test("who refuses every delta is sent snapshots ever more seldom, until a delta is taken")
  func heldBack() {
    var state = state(holding: 5)
    var newest: UInt64 = 9
    // The first at once, then after 2, 4, 8, 16 and 32 seconds, and never less often than once a minute.
    for pause in [0.0, 2, 4, 8, 16, 32, 60, 60] {
      state.sent(from: state.base, to: newest)
      #expect(state.refuse(newest) == pause)
      if pause > 0 {
        #expect(state.next(newest: newest) == nil && state.next(newest: newest + 1) == nil)
        state.goOn()
      }
      #expect(state.next(newest: newest) == 0)
      state.sent(from: 0, to: newest)
      state.acknowledge(newest)
      newest += 1
    }
    state.sent(from: state.base, to: newest)
    state.acknowledge(newest)
    state.sent(from: newest, to: newest + 1)
    #expect(state.refuse(newest + 1) == 0)
  }

  @Test("deltas that a refusal crosses come again as one, and everything only if that is refused too")
  func crossing() {
    var state = state(holding: 5)
    state.sent(from: 5, to: 6)
    state.sent(from: 6, to: 7)
    state.sent(from: 7, to: 8)
    #expect(state.refuse(6) == 0)
    #expect(state.next(newest: 8) == 5)
    state.sent(from: 5, to: 8)
    state.sent(from: 8, to: 9)
    // That was refused too.
    #expect(state.refuse(8) == 0)
    #expect(state.next(newest: 9) == 0)
    state.sent(from: 0, to: 9)
    state.acknowledge(9)
    // Once a delta was taken, the next refusal has the same way again.
    state.sent(from: 9, to: 10)
    state.acknowledge(10)
    state.sent(from: 10, to: 11)
    state.sent(from: 11, to: 12)
    #expect(state.refuse(11) == 0)
    #expect(state.next(newest: 12) == 10)
  }

  @Test("a newcomer that refuses its snapshot has nothing that a delta could go on from")
  func crossingSnapshot() {
    var state = state(holding: 0)
    state.sent(from: 0, to: 6)
    state.sent(from: 6, to: 7)
    #expect(state.refuse(6) == 0)
    #expect(state.next(newest: 7) == 0)
  }

  @Test("who holds something else than the version has is sent everything, once for each version")
  func distrusted() {
    var state = state(holding: 9)
    #expect(state.distrust(9) == 0)
    #expect(!state.isInStep(newest: 9))
    #expect(state.next(newest: 9) == 0)
    state.sent(from: 0, to: 9)
    state.acknowledge(9)
    #expect(state.distrust(9) == 0)
    #expect(state.next(newest: 9) == nil && !state.isInStep(newest: 9))
    #expect(state.next(newest: 10) == 0)
    state.sent(from: 0, to: 10)
    state.acknowledge(10)
    #expect(state.isInStep(newest: 10))
    // What it held before is of no interest while it takes the next.
    state.sent(from: 10, to: 11)
    #expect(state.distrust(10) == nil)
    state.acknowledge(11)
    #expect(state.isInStep(newest: 11))
  }

  @Test("who runs the newest is in step, and who lags, refused or has nothing is not")
  func inStep() {
    #expect(state(holding: 9).isInStep(newest: 9) && !state(holding: 8).isInStep(newest: 9))
    #expect(!state(holding: 0).isInStep(newest: 0))
    var state = state(holding: 5)
    state.sent(from: 5, to: 9)
    #expect(!state.isInStep(newest: 9))
    state.acknowledge(9)
    #expect(state.isInStep(newest: 9))
    state.sent(from: 9, to: 10)
    #expect(state.refuse(10) == 0)
    #expect(!state.isInStep(newest: 9) && !state.isInStep(newest: 10))
  }
}
