// How the admin API's documents become JSON: snake case on the wire, Swift's spelling (with acronyms in capitals) here.

import Foundation

package enum AdminJSON {
  package static func encode(_ value: some Encodable, pretty: Bool = false) throws -> Data {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting =
      pretty ? [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes] : [.withoutEscapingSlashes]
    return try encoder.encode(value)
  }

  package static func decode<Value: Decodable>(_ type: Value.Type, from data: Data) throws -> Value {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .custom { path in
      AnyKey(stringValue: propertyName(of: path[path.count - 1].stringValue))
    }
    return try decoder.decode(type, from: data)
  }

  /// `base_url` → `baseURL`, `cost_nano_usd` → `costNanoUSD`, `id` → `id`.
  package static func propertyName(of key: String) -> String {
    let words = key.split(separator: "_")
    guard let first = words.first else { return key }
    return words.dropFirst().reduce(String(first)) { name, word in
      name
        + (acronyms.contains(String(word))
          ? word.uppercased() : word.prefix(1).uppercased() + word.dropFirst())
    }
  }

  private static let acronyms: Set<String> = ["id", "pem", "url", "usd"]

  private struct AnyKey: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }

    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }
}
