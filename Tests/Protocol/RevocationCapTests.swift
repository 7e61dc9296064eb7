import StraitProtocol
import Testing

@Suite("How many keys may go at once")
struct RevocationCapTests {
  @Test(
    "more than a fifth needs a confirmation, one key alone never does",
    arguments: [
      // A fifth of 100 is 20.
      (20, 100, false), (21, 100, true), (1, 1, false), (2, 10, false), (3, 10, true), (0, 0, false),
      (200_000, 1_000_000, false), (200_001, 1_000_000, true),
    ])
  func fifth(count: Int, total: Int, needs: Bool) {
    #expect(RevocationCap.needsConfirmation(of: count, recently: 0, total: total) == needs)
  }

  @Test(
    "what goes within a minute counts together, beyond fifty keys",
    arguments: [
      // 49 went, this is the fiftieth; then the fifty-first of 100.
      (1, 49, 1, false), (1, 50, 50, true),
      // 60 of 300 is a fifth, 61 is more: 241 and 240 are left when they are asked for.
      (1, 59, 241, false), (1, 60, 240, true), (1, 60, 2400, false),
    ])
  func burst(count: Int, recently: Int, total: Int, needs: Bool) {
    #expect(RevocationCap.needsConfirmation(of: count, recently: recently, total: total) == needs)
  }

  @Test("a total of `enough` keys never needs a confirmation")
  func enough() {
    for count in 1...50 {
      for recently in 0...50 {
        let total = RevocationCap.enough(for: count, recently: recently)
        #expect(!RevocationCap.needsConfirmation(of: count, recently: recently, total: total))
      }
    }
  }
}
