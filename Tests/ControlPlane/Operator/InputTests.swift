import OperatorCommand
import Testing

@Suite("A price on the command line")
struct PriceTests {
  @Test(
    "is read exactly, in micro-USD per million tokens",
    arguments: [
      ("0", 0), ("1", 1_000_000), ("0.15", 150_000), ("0.000001", 1), ("15.00", 15_000_000),
      ("0.1500000", 150_000), ("007.5", 7_500_000), ("9223372036854.775807", Int64.max),
    ])
  func read(text: String, expected: Int64) throws {
    #expect(try TokenPrice.parse(text) == expected)
  }

  @Test(
    "is refused when it is finer than that, too large or not a plain decimal",
    arguments: [
      "0.0000001", "0.15000001", "9223372036854.775808", "99999999999999", "-1", "+1", "1e3", "1,5", ".5",
      "1.", "",
      " 1", "1 ", "$1", "0x1", "１", "1.2.3", "NaN",
    ])
  func refused(text: String) {
    #expect(throws: InvalidInput.self) { try TokenPrice.parse(text) }
  }

  @Test("is shown with every digit that counts and two decimals at least")
  func shown() {
    #expect(TokenPrice.text(150_000) == "0.15")
    #expect(TokenPrice.text(75_500) == "0.0755")
    #expect(TokenPrice.text(1) == "0.000001")
    #expect(TokenPrice.text(0) == "0.00")
    #expect(TokenPrice.text(10_000_000) == "10.00")
  }

  @Test("comes back the same from its text")
  func roundTrip() throws {
    for price: Int64 in [0, 1, 10, 999_999, 1_000_000, 123_456_789, .max] {
      #expect(try TokenPrice.parse(TokenPrice.text(price)) == price)
    }
  }

  @Test("An amount shows all nine decimals, also below zero and at the ends of the range")
  func amounts() {
    #expect(dollars(nanoUSD: 0) == "0.000000000")
    #expect(dollars(nanoUSD: 37_801) == "0.000037801")
    #expect(dollars(nanoUSD: 1_500_000_000) == "1.500000000")
    #expect(dollars(nanoUSD: -1) == "-0.000000001")
    #expect(dollars(nanoUSD: .max) == "9223372036.854775807")
    #expect(dollars(nanoUSD: .min) == "-9223372036.854775808")
  }
}

@Suite("A span of time on the command line")
struct DurationTests {
  @Test(
    "is read in seconds",
    arguments: [
      ("90s", 90), ("15m", 900), ("1h30m", 5400), ("30d", 2_592_000), ("2w", 1_209_600),
      ("1w1d1h1m1s", 694_861),
    ])
  func read(text: String, expected: Int) throws {
    #expect(try DurationText.parseSeconds(text) == expected)
  }

  @Test(
    "is refused without a unit, with an unknown or repeated one, at nothing and beyond a hundred years",
    arguments: [
      "", "30", "h", "1y", "1.5h", "-1h", "0s", "30m1h", "1h1h", "36526d", "999999999999999999w", "1H", "1h ",
      "٣h",
    ])
  func refused(text: String) {
    #expect(throws: InvalidInput.self) { try DurationText.parseSeconds(text) }
  }

  @Test("is shown in its two largest units")
  func shown() {
    #expect(DurationText.text(seconds: 0) == "0s")
    #expect(DurationText.text(seconds: 5400) == "1h30m")
    #expect(DurationText.text(seconds: 93_784) == "1d2h")
  }
}

@Suite("A time")
struct TimestampTests {
  // Seconds since 1970 by `date -u -d TEXT +%s`.
  @Test(
    "is read as RFC 3339",
    arguments: [
      ("1970-01-01T00:00:00Z", 0), ("2026-11-21T08:53:00Z", 1_795_251_180),
      ("2026-11-21T08:53:00.123456Z", 1_795_251_180), ("2026-11-21T10:53:00+02:00", 1_795_251_180),
      ("2026-11-20T23:53:00-09:00", 1_795_251_180), ("2000-02-29T00:00:00Z", 951_782_400),
      ("1969-12-31T23:59:59Z", -1), ("2026-11-21 08:53:00z", 1_795_251_180),
    ])
  func read(text: String, expected: Int64) {
    #expect(Timestamp.parse(text) == expected)
  }

  @Test(
    "is refused when there is no such time",
    arguments: [
      "2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
      "2026-04-31T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z",
      "2026-01-01T00:00:00", "2026-01-01", "2026-01-01T00:00:00+24:00", "", "now", "２026-01-01T00:00:00Z",
    ])
  func refused(text: String) {
    #expect(Timestamp.parse(text) == nil)
  }

  @Test("comes back the same from its text, through four centuries")
  func roundTrip() {
    for day in stride(from: Int64(-146_097), through: 146_097, by: 89) {
      let seconds = day * 86400 + (day % 86400 + 86400) % 86400
      guard Timestamp.parse(Timestamp.text(seconds)) == seconds else {
        Issue.record("day \(day) became \(Timestamp.text(seconds))")
        return
      }
    }
  }

  @Test("can be a day or a span before now where a search begins")
  func bounds() throws {
    let now: Int64 = 1_795_251_180
    #expect(try Timestamp.parseBound("2h", now: now) == now - 7200)
    #expect(try Timestamp.parseBound("2026-11-21", now: now) == now - (8 * 3600 + 53 * 60))
    #expect(try Timestamp.parseBound("1970-01-01T00:00:00Z", now: now) == 0)
    #expect(throws: InvalidInput.self) { try Timestamp.parseBound("yesterday", now: now) }
  }

  @Test("is shortened for tables, and left alone when it is none")
  func short() {
    #expect(Timestamp.short("2026-11-21T10:53:00.5+02:00") == "2026-11-21 08:53:00")
    #expect(Timestamp.short("soon") == "soon")
  }
}
