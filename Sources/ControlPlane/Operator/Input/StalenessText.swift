// A staleness limit as operators write it: a span of time, or never.

package enum StalenessText {
  /// - Returns: seconds, 0 for never
  package static func parse(_ text: String) throws(InvalidInput) -> Int {
    text == "never" ? 0 : try DurationText.parseSeconds(text)
  }

  package static func text(_ seconds: Int?) -> String {
    seconds.map { DurationText.text(seconds: $0) } ?? "never"
  }
}
