// RFC 3339 times as the admin API speaks them, read and written without a calendar library.

package enum Timestamp {
  /// The moment in whole seconds since 1970; a fraction is dropped.
  package static func parse(_ text: String) -> Int64? {
    let form = /(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.\d+)?([Zz]|([+-])(\d{2}):(\d{2}))/
      .asciiOnlyDigits()
    guard let match = text.wholeMatch(of: form),
      let year = Int64(match.1), let month = Int64(match.2), let day = Int64(match.3),
      let hour = Int64(match.4), let minute = Int64(match.5), let second = Int64(match.6)
    else { return nil }
    guard (1...12).contains(month), (1...daysIn(month: month, of: year)).contains(day), hour < 24,
      minute < 60,
      // RFC 3339 allows a leap second.
      second <= 60
    else { return nil }
    var offset: Int64 = 0
    if let sign = match.8, let hours = match.9.flatMap({ Int64($0) }),
      let minutes = match.10.flatMap({ Int64($0) })
    {
      guard hours < 24, minutes < 60 else { return nil }
      offset = (sign == "-" ? -1 : 1) * (hours * 3600 + minutes * 60)
    }
    return daysSince1970(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset
  }

  /// `2026-11-21T08:53:00Z`
  package static func text(_ seconds: Int64) -> String {
    let days = (seconds - (seconds % 86400 + 86400) % 86400) / 86400
    let rest = seconds - days * 86400
    let (year, month, day) = date(days)
    func two(_ value: Int64) -> String { value < 10 ? "0\(value)" : "\(value)" }
    let years = String(repeating: "0", count: max(0, 4 - "\(year)".count)) + "\(year)"
    return "\(years)-\(two(month))-\(two(day))T\(two(rest / 3600)):\(two(rest / 60 % 60)):\(two(rest % 60))Z"
  }

  /// For a table whose heading says UTC: `2026-11-21 08:53:00`. Text that is no time is shown as it is.
  package static func short(_ text: String) -> String {
    guard let seconds = parse(text) else { return text }
    return String(Self.text(seconds).dropLast()).replacing("T", with: " ")
  }

  /// The start of a span that an operator asked about: a time, a day (its start in UTC), or a span before now.
  package static func parseBound(_ text: String, now: Int64) throws(InvalidInput) -> Int64 {
    if let moment = parse(text) ?? parse("\(text)T00:00:00Z") { return moment }
    do throws(InvalidInput) {
      return now - Int64(try DurationText.parseSeconds(text))
    } catch {
      throw InvalidInput(
        "write a time like 2026-11-21T08:00:00Z, a day like 2026-11-21, or how long ago, like 2h")
    }
  }

  private static func daysIn(month: Int64, of year: Int64) -> Int64 {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  /// Howard Hinnant's days_from_civil: years begin in March, so that the leap day is a year's last.
  private static func daysSince1970(_ year: Int64, _ month: Int64, _ day: Int64) -> Int64 {
    let shifted = month <= 2 ? year - 1 : year
    let era = (shifted >= 0 ? shifted : shifted - 399) / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    return era * 146097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719468
  }

  /// The inverse, civil_from_days.
  private static func date(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
    let shifted = days + 719468
    let era = (shifted >= 0 ? shifted : shifted - 146096) / 146097
    let dayOfEra = shifted - era * 146097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthIndex = (5 * dayOfYear + 2) / 153
    let month = monthIndex < 10 ? monthIndex + 3 : monthIndex - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * monthIndex + 2) / 5 + 1)
  }
}
