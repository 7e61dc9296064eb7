// A region as operators declare it, checked.

import AdminAPI

package struct RegionSpecification: Hashable, Sendable {
  package let name: ResourceName
  package let title: Label
  /// Whose data protection law holds there: `US`, `EEA`, `UK`, `CH`, `SG`, …
  package let jurisdiction: String
  /// ISO 3166-1 alpha-2.
  package let country: String

  package init(_ document: RegionDocument) throws(Refusal) {
    name = try ResourceName(document.name, of: "region")
    title = try Label(document.title, of: "region's title")
    jurisdiction = document.jurisdiction
    country = document.country
    guard (2...8).contains(jurisdiction.utf8.count), jurisdiction.utf8.allSatisfy(isUpperCaseLetter) else {
      throw .invalid(
        "the jurisdiction of region \(name) is \(quoted(document.jurisdiction))",
        hint: "use the capitals of a jurisdiction, such as US, EEA, UK, CH or SG")
    }
    guard country.utf8.count == 2, country.utf8.allSatisfy(isUpperCaseLetter) else {
      throw .invalid(
        "the country of region \(name) is \(quoted(document.country))",
        hint: "use the two capitals of ISO 3166-1, such as US, IE or SG")
    }
  }

  /// At least one region, none twice.
  package static func list(_ documents: [RegionDocument]) throws(Refusal) -> [RegionSpecification] {
    guard (1...maximumCount).contains(documents.count) else {
      throw .invalid(
        "\(documents.count) regions were given", hint: "give 1 to \(maximumCount) regions at a time")
    }
    var regions: [RegionSpecification] = []
    var names: Set<ResourceName> = []
    for document in documents {
      let region = try RegionSpecification(document)
      guard names.insert(region.name).inserted else {
        throw .invalid("region \(region.name) is given twice", hint: "keep one of the two")
      }
      regions.append(region)
    }
    return regions
  }

  package static let maximumCount = 500
}
