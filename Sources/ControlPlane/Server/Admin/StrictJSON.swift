// Reading a request's body: JSON of exactly the shape that a document has. A misspelt key is refused, not ignored.

import AdminAPI
import Foundation

/// A document that comes in a request's body.
package protocol RequestDocument: Decodable {
  /// Every key that it can have, as on the wire.
  static var keys: Set<String> { get }
}

extension RegionDocument: RequestDocument {
  package static var keys: Set<String> { ["name", "title", "jurisdiction", "country"] }
}

extension JoinTokenRequest: RequestDocument {
  package static var keys: Set<String> { ["region", "valid_seconds"] }
}

extension UpstreamRequest: RequestDocument {
  package static var keys: Set<String> {
    [
      "name", "region", "url", "http_version", "credential_style", "credential", "ca_pem", "private",
      "network",
    ]
  }
}

extension UpstreamChangeRequest: RequestDocument {
  package static var keys: Set<String> {
    ["url", "http_version", "credential_style", "credential", "ca_pem", "private", "network"]
  }
}

extension OfferChangeRequest: RequestDocument {
  package static var keys: Set<String> {
    ["upstream_model", "weight", "input_price", "output_price", "cached_input_price", "cache_write_price"]
  }
}

extension OfferRequest: RequestDocument {
  package static var keys: Set<String> {
    [
      "model", "upstream", "upstream_model", "dialect", "weight", "input_price", "output_price",
      "cached_input_price", "cache_write_price",
    ]
  }
}

extension TeamRequest: RequestDocument {
  package static var keys: Set<String> { ["name", "account", "staleness_limit_seconds"] }
}

extension TeamChangeRequest: RequestDocument {
  package static var keys: Set<String> { ["staleness_limit_seconds"] }
}

extension KeyRequest: RequestDocument {
  package static var keys: Set<String> { ["team", "name", "valid_seconds"] }
}

extension RevocationRequest: RequestDocument {
  package static var keys: Set<String> { ["ids", "team", "confirm"] }
}

extension SuspensionRequest: RequestDocument {
  package static var keys: Set<String> { ["suspended", "confirm"] }
}

extension Array: RequestDocument where Element: RequestDocument {
  package static var keys: Set<String> { Element.keys }
}

package enum StrictJSON {
  static func decode<Document: RequestDocument>(_ type: Document.Type, from data: Data) throws -> Document {
    try checkKeys(in: try parse(data), known: Document.keys)
    do {
      return try AdminJSON.decode(type, from: data)
    } catch let error as DecodingError {
      throw refusal(for: error)
    }
  }

  private static func parse(_ data: Data) throws(Refusal) -> Any {
    do {
      return try JSONSerialization.jsonObject(with: data)
    } catch {
      throw .invalid(
        "the body is not valid JSON", hint: "send a JSON document with content-type application/json")
    }
  }

  private static func checkKeys(in value: Any, known: Set<String>) throws(Refusal) {
    if let list = value as? [Any] {
      for item in list { try checkKeys(in: item, known: known) }
    }
    guard let object = value as? [String: Any] else { return }
    if let unknown = object.keys.filter({ !known.contains($0) }).min() {
      throw .invalid(
        "the body has an unknown key \(quoted(unknown))",
        hint: "known keys are \(known.sorted().joined(separator: ", "))")
    }
  }

  /// Says which key is wrong, never what it held.
  private static func refusal(for error: DecodingError) -> Refusal {
    switch error {
    case .keyNotFound(let key, let context):
      return .invalid("\(place(context.codingPath + [key])) is missing", hint: "add it to the body")
    case .valueNotFound(_, let context):
      return .invalid("\(place(context.codingPath)) is null", hint: "give it a value")
    case .typeMismatch(let type, let context):
      return .invalid(
        "\(place(context.codingPath)) has the wrong type", hint: "it should be \(word(for: type))")
    case .dataCorrupted(let context):
      return .invalid("\(place(context.codingPath)) cannot be read", hint: "check its value")
    @unknown default:
      return .invalid("the body does not have the expected shape")
    }
  }

  private static func place(_ path: [any CodingKey]) -> String {
    path.isEmpty
      ? "the body"
      : path.map { $0.intValue.map { "[\($0)]" } ?? wireName($0.stringValue) }.joined(separator: ".")
  }

  /// `caPEM` → `ca_pem`, `validSeconds` → `valid_seconds`
  private static func wireName(_ name: String) -> String {
    var words = ""
    var previousIsUpper = true
    for character in name {
      if character.isUppercase && !previousIsUpper { words.append("_") }
      previousIsUpper = character.isUppercase
      words.append(contentsOf: character.lowercased())
    }
    return words
  }

  private static func word(for type: Any.Type) -> String {
    switch type {
    case is String.Type: "a text"
    case is Int.Type, is Int64.Type: "a whole number"
    case is [Any].Type: "a list"
    default: "an object or a list"
    }
  }
}
