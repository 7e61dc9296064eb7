// Words of edges that go into the log and the fleet's view.

enum EdgeText {
  private static let maximumLength = 500

  /// Cut to a length, and on one line.
  static func shown(_ text: String) -> String {
    String(
      text.unicodeScalars.prefix(maximumLength)
        .map { $0.properties.generalCategory == .control ? " " : Character($0) })
  }
}
