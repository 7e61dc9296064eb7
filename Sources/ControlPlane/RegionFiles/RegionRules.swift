// What a region's fields may hold: the rules of regions/schema.json in Swift, so that the command needs no file beside
// it. Pure; a test holds the two against each other.

package enum RegionRules {
  /// All are required, and there are no others.
  package static let fields = ["name", "title", "jurisdiction", "country"]
  package static let nameMaximumLength = 32
  package static let titleMaximumLength = 64

  /// Small letters, digits and single dashes between them, a letter first.
  package static func isName(_ text: String) -> Bool {
    text.unicodeScalars.count <= nameMaximumLength
      && text.wholeMatch(of: /[a-z][a-z0-9]*(-[a-z0-9]+)*/.asciiOnlyCharacterClasses()) != nil
  }

  package static func isTitle(_ text: String) -> Bool {
    // JSON Schema counts code points, and Swift's characters may hold several.
    let scalars = text.unicodeScalars
    return (1...titleMaximumLength).contains(scalars.count)
      && !scalars.contains { $0.properties.generalCategory == .control }
  }

  /// The form only: whether the country lies in the jurisdiction is asked apart, where the jurisdiction is known.
  package static func isCountryCode(_ text: String) -> Bool {
    text.utf8.count == 2 && text.utf8.allSatisfy { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) }
  }

  /// What is wrong with one field's value by itself, or nil.
  package static func fault(in field: String, value: String) -> String? {
    switch field {
    case "name" where !isName(value):
      """
      name \(quoted(value)) must be small letters, digits and single dashes, a letter first, \
      \(nameMaximumLength) characters at most
      """
    case "title" where !isTitle(value):
      "title must have 1 to \(titleMaximumLength) characters and no control characters"
    case "jurisdiction" where Jurisdiction.named(value) == nil:
      "unknown jurisdiction \(quoted(value)): one of \(Jurisdiction.all.map(\.name).joined(separator: ", "))"
    case "country" where !isCountryCode(value):
      "country \(quoted(value)) must be two capital letters (ISO 3166-1 alpha-2), for example IE"
    default: nil
    }
  }

  /// What is wrong with a country that is well-formed and a jurisdiction that exists, or nil.
  package static func fault(country: String, in jurisdiction: Jurisdiction) -> String? {
    guard !jurisdiction.countries.contains(country) else { return nil }
    let places = jurisdiction.countries.joined(separator: ", ")
    return "country \(country) is not in the jurisdiction \(jurisdiction.name), which holds \(places)"
  }

  /// A value from a file, made fit for a line on a terminal.
  static func quoted(_ value: String) -> String {
    let shown = value.unicodeScalars.prefix(40).map { scalar in
      scalar.properties.generalCategory == .control ? "?" : String(scalar)
    }
    return "\"\(shown.joined())\(value.unicodeScalars.count > 40 ? "…" : "")\""
  }
}
