import Foundation
import RegionFiles
import TestSupport
import Testing

/// `regions/schema.json` is for editors and other tools, `RegionRules` is what the command runs. These tests fail when
/// one is changed without the other.
@Suite("The region schema and the command's rules")
struct SchemaTests {
  let schema: [String: Any]

  init() throws {
    let bytes = try Data(contentsOf: repositoryFolder.appending(path: "regions/schema.json"))
    schema = try #require(try JSONSerialization.jsonObject(with: bytes) as? [String: Any])
  }

  private func property(_ name: String) throws -> [String: Any] {
    let properties = try #require(schema["properties"] as? [String: [String: Any]])
    return try #require(properties[name])
  }

  @Test("have the same fields, all required, and no others")
  func fields() throws {
    let properties = try #require(schema["properties"] as? [String: Any])
    #expect(Set(properties.keys) == Set(RegionRules.fields))
    #expect(schema["required"] as? [String] == RegionRules.fields)
    #expect(schema["additionalProperties"] as? Bool == false)
    #expect(schema["type"] as? String == "object")
    for field in RegionRules.fields { #expect(try property(field)["type"] as? String == "string") }
  }

  @Test("use no rule that the other does not know")
  func keywords() throws {
    let known: [String: Set<String>] = [
      "name": ["type", "maxLength", "pattern"], "title": ["type", "minLength", "maxLength", "pattern"],
      "jurisdiction": ["type", "enum"], "country": ["type", "pattern"],
    ]
    for (field, rules) in known {
      #expect(Set(try property(field).keys).subtracting(["description", "examples"]) == rules)
    }
    let words: Set = [
      "$schema", "title", "description", "type", "additionalProperties", "required", "properties",
    ]
    #expect(Set(schema.keys) == words.union(["allOf"]))
  }

  @Test("know the same jurisdictions with the same countries")
  func jurisdictions() throws {
    #expect(try property("jurisdiction")["enum"] as? [String] == Jurisdiction.all.map(\.name))
    let rules = try #require(schema["allOf"] as? [[String: Any]])
    let pairs = try rules.map { rule in
      let condition = try #require(rule["if"] as? [String: Any])
      let consequence = try #require(rule["then"] as? [String: Any])
      let name = ((condition["properties"] as? [String: Any])?["jurisdiction"] as? [String: Any])?["const"]
      let countries = ((consequence["properties"] as? [String: Any])?["country"] as? [String: Any])?["enum"]
      return [try #require(name as? String)] + (try #require(countries as? [String]))
    }
    #expect(pairs == Jurisdiction.all.map { [$0.name] + $0.countries })
  }

  @Test("hold no country in two jurisdictions, and thirty in the EEA")
  func countries() {
    let all = Jurisdiction.all.flatMap(\.countries)
    #expect(Set(all).count == all.count)
    #expect(Jurisdiction.named("EEA")?.countries.count == 30)
    #expect(all.allSatisfy(RegionRules.isCountryCode))
  }

  @Test("accept the same names, titles and countries, tried with random texts")
  func patterns() throws {
    var random = SeededGenerator()
    let limits: [(String, Int, (String) -> Bool)] = [
      ("name", RegionRules.nameMaximumLength, RegionRules.isName),
      ("title", RegionRules.titleMaximumLength, RegionRules.isTitle),
      ("country", 2, RegionRules.isCountryCode),
    ]
    let alphabet = Array("aabz019--AZ_. é\u{7F}\u{85}\u{200B}\u{1F30D}\n\t\u{212A}\u{301}".unicodeScalars)
    var accepted: [String: Int] = [:]
    for (field, maximum, rule) in limits {
      let pattern = try NSRegularExpression(pattern: try #require(try property(field)["pattern"] as? String))
      let longest = try property(field)["maxLength"] as? Int ?? .max
      let shortest = try property(field)["minLength"] as? Int ?? 0
      for _ in 0..<4000 {
        let length = Int.random(in: 0...(Bool.random(using: &random) ? 3 : maximum + 2), using: &random)
        let letters = Int.random(in: 2...alphabet.count, using: &random)
        var scalars = String.UnicodeScalarView()
        for _ in 0..<length { scalars.append(alphabet[Int.random(in: 0..<letters, using: &random)]) }
        let text = String(scalars)
        // The pattern's `$` also matches before a last line break in this library, but not in JSON Schema's.
        let whole = NSRange(location: 0, length: text.utf16.count)
        let bySchema =
          (shortest...longest).contains(scalars.count)
          && pattern.matches(in: text, range: whole).contains { NSEqualRanges($0.range, whole) }
        #expect(rule(text) == bySchema, "\(random), \(field), \(Array(text.utf8))")
        if bySchema { accepted[field, default: 0] += 1 }
      }
    }
    // The control: were every text refused by both, the comparison would say nothing.
    #expect((accepted["name"] ?? 0) > 50 && (accepted["title"] ?? 0) > 50, "\(random): \(accepted)")
  }
}
