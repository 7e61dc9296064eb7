import ControlPlaneCore
import Testing

@Suite("Moments")
struct MomentTests {
  @Test("times are written and read as RFC 3339")
  func roundTrip() throws {
    // 2026-11-21T08:53:00Z: 20,778 days after 1970 (56 years of 365 days, 14 leap days, 324 days into 2026) and 31,980 s.
    let moment = Moment(microseconds: (20_778 * 86_400 + 31_980) * 1_000_000)
    #expect(moment.rfc3339 == "2026-11-21T08:53:00Z")
    #expect(Moment(rfc3339: "2026-11-21T08:53:00Z") == moment)
    #expect(Moment(rfc3339: "2026-11-21T10:53:00+02:00") == moment)
    #expect(Moment(rfc3339: "2026-11-21T08:53:00.000001Z")?.microseconds == moment.microseconds + 1)
    #expect(Moment(microseconds: -1).rfc3339 == "1969-12-31T23:59:59.999999Z")
    #expect(Moment(rfc3339: "2024-02-29T00:00:00Z")?.rfc3339 == "2024-02-29T00:00:00Z")
  }

  @Test(
    "what is no moment is refused",
    arguments: [
      "", "2026-11-21", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-11-21T24:00:00Z", "now",
    ])
  func refused(_ text: String) {
    #expect(Moment(rfc3339: text) == nil)
  }

  @Test("days agree with the calendar in both directions over eight centuries")
  func calendar() throws {
    for day in stride(from: Int64(-100_000), through: 200_000, by: 61) {
      let date = CivilDate(day: day)
      #expect(CivilDate(year: date.year, month: date.month, day: date.dayOfMonth)?.daysSince1970 == day)
    }
  }
}
