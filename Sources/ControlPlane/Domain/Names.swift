// The forms that names may have. A value of these types has been checked, so nothing behind the border checks again.

/// A name that operators type: of a region, an upstream, a team or an account.
package struct ResourceName: Hashable, Sendable, CustomStringConvertible {
  package let text: String
  package static let maximumLength = 63

  /// - Parameter subject: what the name belongs to, for the refusal: `region`, `team`
  package init(_ text: String, of subject: String) throws(Refusal) {
    let valid =
      (1...Self.maximumLength).contains(text.utf8.count)
      && text.utf8.allSatisfy { isLowerCaseLetter($0) || isDigit($0) || $0 == dash }
      && text.utf8.first != dash && text.utf8.last != dash
    guard valid else {
      throw .invalid(
        "\(quoted(text)) is not a name that a \(subject) can have",
        hint:
          "use 1 to \(Self.maximumLength) lower-case letters, digits and dashes, with no dash at either end")
    }
    self.text = text
  }

  package var description: String { text }
}

/// The name of a model, as clients or upstreams write it: `gpt-5`, `meta-llama/Llama-4:free`.
package struct ModelName: Hashable, Sendable, CustomStringConvertible {
  package let text: String
  package static let maximumLength = 200

  package init(_ text: String) throws(Refusal) {
    let valid =
      (1...Self.maximumLength).contains(text.utf8.count)
      && text.utf8.allSatisfy { byte in
        isLowerCaseLetter(byte | 0x20) && byte < 0x80 || isDigit(byte) || "-_./:@+".utf8.contains(byte)
      }
    guard valid else {
      throw .invalid(
        "\(quoted(text)) is not a name that a model can have",
        hint: "use 1 to \(Self.maximumLength) letters, digits and the characters - _ . / : @ +")
    }
    self.text = text
  }

  package var description: String { text }
}

/// A title or a label that only people read.
package struct Label: Hashable, Sendable, CustomStringConvertible {
  package let text: String
  package static let maximumLength = 120

  package init(_ text: String, of subject: String) throws(Refusal) {
    let valid =
      text.utf8.count <= Self.maximumLength
      && text.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
    guard valid else {
      throw .invalid(
        "the \(subject) is too long or holds control characters",
        hint: "use at most \(Self.maximumLength) bytes of plain text on one line")
    }
    self.text = text
  }

  package var description: String { text }
}

private let dash = UInt8(ascii: "-")

func isLowerCaseLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) }
func isUpperCaseLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) }
func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

/// The text in quotation marks, cut and cleared of control characters, so that a refusal cannot carry a page of input.
func quoted(_ text: String) -> String {
  let clean = String(
    text.unicodeScalars.prefix(64).map { $0.properties.generalCategory == .control ? "?" : Character($0) })
  return "\"\(clean)\(text.unicodeScalars.count > 64 ? "…" : "")\""
}
