import ControlPlaneCore
import Testing

@Suite("Which records of a batch are new")
struct BatchAdmissionTests {
  @Test("the next records are taken and move the watermark")
  func next() {
    let admission = BatchAdmission(watermark: 10, losses: [], first: 11, count: 3)
    #expect((9...15).filter { admission.takes($0) } == [11, 12, 13])
    #expect(admission.watermark == 13)
    #expect(admission.gap == nil)
  }

  @Test("what was sent again is not taken again")
  func again() {
    let whole = BatchAdmission(watermark: 13, losses: [], first: 11, count: 3)
    #expect((1...20).filter { whole.takes($0) } == [])
    #expect(whole.watermark == 13)
    let partly = BatchAdmission(watermark: 12, losses: [], first: 11, count: 3)
    #expect((1...20).filter { partly.takes($0) } == [13])
  }

  @Test("a gap is a loss")
  func gap() {
    let admission = BatchAdmission(watermark: 10, losses: [], first: 15, count: 2)
    #expect(admission.gap == 11...14)
    #expect(admission.openedLosses == [11...14])
    #expect(admission.watermark == 16)
  }

  @Test("records that come after all fill their loss, and only once")
  func filling() {
    let admission = BatchAdmission(watermark: 16, losses: [11...14], first: 12, count: 2)
    #expect((1...20).filter { admission.takes($0) } == [12, 13])
    #expect(admission.closedLosses == [11...14])
    #expect(admission.openedLosses == [11...11, 14...14])
    let again = BatchAdmission(watermark: 16, losses: [11...11, 14...14], first: 12, count: 2)
    #expect((1...20).filter { again.takes($0) } == [])
  }

  @Test("an empty batch changes nothing")
  func empty() {
    let admission = BatchAdmission(watermark: 10, losses: [3...4], first: 15, count: 0)
    #expect(admission.watermark == 10)
    #expect(admission.gap == nil)
    #expect(admission.openedLosses.isEmpty && admission.closedLosses.isEmpty)
  }

  @Test(
    "in any order and any number of times, each record is taken exactly once",
    arguments: 0..<20 as Range<UInt64>)
  func anyOrder(seed: UInt64) {
    var random = SplitMix(state: seed)
    var watermark: Int64 = 0
    var losses: [ClosedRange<Int64>] = []
    var taken: [Int64: Int] = [:]
    for _ in 0..<200 {
      let first = Int64.random(in: 1...60, using: &random)
      let count = Int64.random(in: 0...8, using: &random)
      let admission = BatchAdmission(watermark: watermark, losses: losses, first: first, count: count)
      for sequence in first..<first + count where admission.takes(sequence) {
        taken[sequence, default: 0] += 1
      }
      watermark = admission.watermark
      losses = losses.filter { !admission.closedLosses.contains($0) } + admission.openedLosses
    }
    #expect(taken.values.allSatisfy { $0 == 1 }, "seed \(seed)")
    // What the books say is missing is what was never taken.
    let missing = Set((1...watermark).filter { taken[$0] == nil })
    #expect(missing == Set(losses.flatMap { $0 }), "seed \(seed)")
  }
}

/// SplitMix64: a small generator that can be replayed from its seed.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
}
