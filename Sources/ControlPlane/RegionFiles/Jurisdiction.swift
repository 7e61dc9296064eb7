// The jurisdictions that Strait knows. The list is closed: residency policy is decided by it, so that a misspelt
// jurisdiction must be refused where it is written and not found out where data went.

/// A legal space in which data may move without a transfer basis.
package struct Jurisdiction: Sendable, Equatable {
  package let name: String
  /// ISO 3166-1 alpha-2.
  package let countries: [String]

  /// The jurisdiction of a name as region files spell it.
  package static func named(_ name: String) -> Jurisdiction? {
    all.first { $0.name == name }
  }

  /// The same as in `regions/schema.json`; a test compares them.
  package static let all: [Jurisdiction] = [
    Jurisdiction(name: "AU", countries: ["AU"]),
    Jurisdiction(name: "BR", countries: ["BR"]),
    Jurisdiction(name: "CA", countries: ["CA"]),
    Jurisdiction(name: "CH", countries: ["CH"]),
    Jurisdiction(name: "EEA", countries: europeanEconomicArea),
    Jurisdiction(name: "IN", countries: ["IN"]),
    Jurisdiction(name: "JP", countries: ["JP"]),
    Jurisdiction(name: "KR", countries: ["KR"]),
    Jurisdiction(name: "SG", countries: ["SG"]),
    Jurisdiction(name: "UK", countries: ["GB"]),
    Jurisdiction(name: "US", countries: ["US"]),
  ]

  /// The 27 members of the Union, and Iceland, Liechtenstein and Norway.
  private static let europeanEconomicArea = [
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IS", "IT",
    "LI",
    "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK",
  ]
}
