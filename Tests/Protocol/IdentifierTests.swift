import StraitProtocol
import TestSupport
import Testing

@Suite("An identifier")
struct IdentifierTests {
  @Test("has the time, the version and the variant where RFC 9562 puts them")
  func layout() {
    var random = SeededGenerator()
    // The example of RFC 9562, appendix A.6: 2022-02-22 14:22:22 -05:00 is 1645557742000 ms, hexadecimal 017F22E279B0.
    let id = TeamID(now: 1_645_557_742_000_000, using: &random)
    let text = id.description
    #expect(text.hasPrefix("017f22e2-79b0-7"), "\(random)")
    #expect(["8", "9", "a", "b"].contains(text.split(separator: "-")[3].prefix(1)), "\(random)")
    #expect(text.utf8.count == 36)
  }

  @Test("of a later millisecond sorts after one of an earlier, as value, as bytes and as text")
  func order() {
    var random = SeededGenerator()
    var now: Int64 = 0
    var last = ExchangeID(now: now, using: &random)
    for _ in 0..<2000 {
      now += Int64.random(in: 1000...100_000_000_000, using: &random)
      let next = ExchangeID(now: now, using: &random)
      #expect(last < next, "\(random), \(now)")
      #expect(last.bytes.lexicographicallyPrecedes(next.bytes), "\(random), \(now)")
      #expect(last.description < next.description, "\(random), \(now)")
      last = next
    }
  }

  @Test("is another one each time, also within one millisecond")
  func distinct() {
    var random = SeededGenerator()
    let all = Set((0..<10_000).map { _ in KeyID(now: 1_000_000, using: &random) })
    #expect(all.count == 10_000, "\(random)")
  }

  @Test("comes back the same from its text and from its bytes")
  func roundTrip() throws {
    var random = SeededGenerator()
    for _ in 0..<1000 {
      let id = KeyID(high: random.next(), low: random.next())
      #expect(KeyID(id.description) == id, "\(random)")
      #expect(KeyID(id.description.uppercased()) == id, "\(random)")
      #expect(KeyID(id.description.filter { $0 != "-" }) == id, "\(random)")
      #expect(KeyID(bytes: id.bytes) == id, "\(random)")
    }
    let known = try #require(KeyID("00010203-0405-0607-0809-0a0b0c0d0e0f"))
    #expect(known.bytes == Array(0...15))
    #expect(known.high == 0x0001_0203_0405_0607 && known.low == 0x0809_0A0B_0C0D_0E0F)
    #expect(known.description == "00010203-0405-0607-0809-0a0b0c0d0e0f")
  }

  @Test(
    "is not made from text that is none",
    arguments: [
      "", "-", "00010203-0405-0607-0809-0a0b0c0d0e0", "00010203-0405-0607-0809-0a0b0c0d0e0f0",
      "00010203-0405-0607-0809-0a0b0c0d0e0g", " 0010203-0405-0607-0809-0a0b0c0d0e0f",
      "00010203_0405_0607_0809_0a0b0c0d0e0f", "{00010203-0405-0607-0809-0a0b0c0d0e0f}",
      "٠0010203-0405-0607-0809-0a0b0c0d0e0f", "00010203-0405-0607-0809-0a0b0c0d0e0f\u{0}",
    ])
  func badText(text: String) {
    #expect(KeyID(text) == nil)
  }

  @Test("is not made from more or fewer than sixteen bytes", arguments: [0, 1, 15, 17, 32])
  func badBytes(count: Int) {
    #expect(KeyID(bytes: [UInt8](repeating: 7, count: count)) == nil)
  }

  @Test("of a moment before 1970 counts as of its start")
  func beforeTheEpoch() {
    var random = SeededGenerator()
    #expect(TeamID(now: -1, using: &random).high >> 16 == 0)
    #expect(TeamID(now: .min, using: &random).high >> 16 == 0)
  }

  @Test("of all zeros stands for none and sorts first")
  func none() {
    var random = SeededGenerator()
    #expect(TeamID.none.description == "00000000-0000-0000-0000-000000000000")
    #expect(TeamID.none < TeamID(now: 0, using: &random))
  }
}
