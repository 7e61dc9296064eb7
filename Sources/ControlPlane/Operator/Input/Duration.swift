// Spans of time as operators write them: 90s, 15m, 1h30m, 30d, 2w.

/// Why a value on the command line is not one. Shown after the value, so it only says what would be right.
package struct InvalidInput: Error, Equatable, CustomStringConvertible {
  package let description: String

  package init(_ description: String) {
    self.description = description
  }
}

package enum DurationText {
  /// A hundred years: longer is a slip, and would leave the range of stored times.
  package static let maximumSeconds = 36525 * 86400

  /// `1h30m` → 5,400 seconds.
  package static func parseSeconds(_ text: String) throws(InvalidInput) -> Int {
    let advice = "write a number and w, d, h, m or s, for example 30d, 12h or 1h30m"
    guard text.wholeMatch(of: /([0-9]{1,18}[wdhms])+/) != nil else { throw InvalidInput(advice) }
    var total = 0
    var last = Int.max
    for part in text.matches(of: /([0-9]+)([wdhms])/) {
      guard let number = Int(part.1), let unit = seconds(in: part.2) else { throw InvalidInput(advice) }
      guard unit < last else {
        throw InvalidInput("write larger units first and each once, for example 1h30m")
      }
      last = unit
      let (product, overflow) = number.multipliedReportingOverflow(by: unit)
      guard !overflow, product <= maximumSeconds, total + product <= maximumSeconds else {
        throw InvalidInput("a hundred years is the longest")
      }
      total += product
    }
    guard total > 0 else { throw InvalidInput("it must be longer than nothing") }
    return total
  }

  /// 5,400 → `1h30m`, for people; two units are enough.
  package static func text(seconds: Int) -> String {
    var rest = max(0, seconds)
    var parts: [String] = []
    for (unit, length) in [("d", 86400), ("h", 3600), ("m", 60), ("s", 1)] where rest >= length {
      parts.append("\(rest / length)\(unit)")
      rest %= length
    }
    return parts.isEmpty ? "0s" : parts.prefix(2).joined()
  }

  private static func seconds(in unit: Substring) -> Int? {
    switch unit {
    case "w": 7 * 86400
    case "d": 86400
    case "h": 3600
    case "m": 60
    case "s": 1
    default: nil
    }
  }
}
