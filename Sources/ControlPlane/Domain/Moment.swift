// Moments in UTC to the microsecond, and their RFC 3339 form. No time zone table is needed, so none is read.

import Foundation

/// Microseconds since 1970-01-01T00:00:00Z.
package struct Moment: Hashable, Comparable, Sendable, BitwiseCopyable {
  package var microseconds: Int64

  package init(microseconds: Int64) {
    self.microseconds = microseconds
  }

  package static var now: Moment {
    Moment(microseconds: Int64((Date().timeIntervalSince1970 * 1_000_000).rounded()))
  }

  package static func < (left: Moment, right: Moment) -> Bool { left.microseconds < right.microseconds }

  package func adding(seconds: Int) -> Moment {
    Moment(microseconds: microseconds + Int64(seconds) * 1_000_000)
  }

  package var date: Date { Date(timeIntervalSince1970: Double(microseconds) / 1_000_000) }

  /// Days since 1970-01-01, rounded towards the past.
  package var day: Int64 { floorDivide(microseconds, Self.microsecondsPerDay).quotient }

  private static let microsecondsPerDay: Int64 = 86_400_000_000
}

// MARK: RFC 3339

extension Moment {
  /// `2026-11-21T08:53:00.000123Z`; the fraction is left off where it is zero.
  package var rfc3339: String {
    let (day, rest) = floorDivide(microseconds, Self.microsecondsPerDay)
    let date = CivilDate(day: day)
    let seconds = rest / 1_000_000
    let time = [seconds / 3600, seconds / 60 % 60, seconds % 60].map { padded($0, 2) }.joined(separator: ":")
    let fraction = rest % 1_000_000
    return "\(date)T\(time)\(fraction == 0 ? "" : ".\(padded(fraction, 6))")Z"
  }

  /// Accepts `2026-11-21T08:53:00Z` with an optional fraction and a numeric offset in place of `Z`.
  package init?(rfc3339 text: String) {
    let pattern =
      /(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d{2}):(\d{2}))/
    guard let match = text.wholeMatch(of: pattern)?.output,
      let year = Int64(match.1), let month = Int64(match.2), let dayOfMonth = Int64(match.3),
      let hour = Int64(match.4), let minute = Int64(match.5), let second = Int64(match.6),
      let date = CivilDate(year: year, month: month, day: dayOfMonth), hour < 24, minute < 60, second < 60
    else { return nil }
    let fraction = Int64((match.7 ?? "").prefix(6).padding(toLength: 6, withPad: "0", startingAt: 0)) ?? 0
    var offset: Int64 = 0
    if let sign = match.8, let hours = match.9.flatMap({ Int64($0) }),
      let minutes = match.10.flatMap({ Int64($0) })
    {
      guard hours < 24, minutes < 60 else { return nil }
      offset = (sign == "-" ? -1 : 1) * (hours * 3600 + minutes * 60)
    }
    let seconds = date.daysSince1970 * 86_400 + hour * 3600 + minute * 60 + second - offset
    self.init(microseconds: seconds * 1_000_000 + fraction)
  }
}

/// A date of the Gregorian calendar, by the algorithms of Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms".
package struct CivilDate: Hashable, Sendable, CustomStringConvertible {
  package let year: Int64
  package let month: Int64
  package let dayOfMonth: Int64
  package let daysSince1970: Int64

  package init(day: Int64) {
    let (era, dayOfEra) = floorDivide(day + 719_468, 146_097)
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shifted = (5 * dayOfYear + 2) / 153
    dayOfMonth = dayOfYear - (153 * shifted + 2) / 5 + 1
    month = shifted < 10 ? shifted + 3 : shifted - 9
    year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
    daysSince1970 = day
  }

  /// - Returns: nothing for a day that does not exist
  package init?(year: Int64, month: Int64, day: Int64) {
    guard (1...12).contains(month), (1...31).contains(day) else { return nil }
    let (era, yearOfEra) = floorDivide(month <= 2 ? year - 1 : year, 400)
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    self.init(day: era * 146_097 + dayOfEra - 719_468)
    guard self.month == month, self.dayOfMonth == day, self.year == year else { return nil }
  }

  package var description: String { "\(padded(year, 4))-\(padded(month, 2))-\(padded(dayOfMonth, 2))" }
}

private func floorDivide(_ value: Int64, _ divisor: Int64) -> (quotient: Int64, remainder: Int64) {
  let (quotient, remainder) = value.quotientAndRemainder(dividingBy: divisor)
  return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
}

private func padded(_ value: Int64, _ width: Int) -> String {
  let digits = String(value)
  return String(repeating: "0", count: max(0, width - digits.count)) + digits
}
