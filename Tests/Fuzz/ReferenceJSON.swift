// A JSON reader (RFC 8259) of the plainest kind, with a tree and no hurry: what the edge's scanner says of a document is
// held against it. Strings are bytes; UTF-8 is nobody's business here, as in the scanner.

@testable import EdgeDataPath

struct JSONTree {
  struct Member {
    var key: [UInt8]
    var keyStart: Int
    /// The comma before the key; nil for an object's first member.
    var comma: Int?
    var value: JSONTree
  }

  var kind: JSONScanner.Kind
  var range = 0..<0
  var members = [Member]()
  var elements = [JSONTree]()
  /// A string's decoded bytes, a number as it stands there.
  var bytes = [UInt8]()

  init(_ kind: JSONScanner.Kind) { self.kind = kind }

  /// - Returns: nil for what is no JSON, or nests deeper than the edge lets it
  init?(parsing document: some Collection<UInt8>) {
    var reader = JSONTreeReader(Array(document))
    guard let tree = reader.readDocument() else { return nil }
    self = tree
  }

  /// The values of a member, of which there may be several.
  func values(_ key: String) -> [JSONTree] { members.filter { $0.key == Array(key.utf8) }.map(\.value) }

  /// A number that is a count.
  var count: UInt64? {
    kind == .number && bytes.allSatisfy { $0 >= 0x30 && $0 <= 0x39 } ? UInt64(text(bytes)) : nil
  }

  var isEmpty: Bool { members.isEmpty && elements.isEmpty }

  static func string(_ text: String) -> JSONTree {
    var tree = JSONTree(.string)
    tree.bytes = Array(text.utf8)
    return tree
  }

  static func object(_ members: [(String, JSONTree)]) -> JSONTree {
    var tree = JSONTree(.object)
    tree.members = members.map { Member(key: Array($0.0.utf8), keyStart: 0, comma: nil, value: $0.1) }
    return tree
  }
}

extension JSONTree: Equatable {
  /// The same content; where it stands does not matter.
  static func == (left: JSONTree, right: JSONTree) -> Bool {
    left.kind == right.kind && left.bytes == right.bytes && left.elements == right.elements
      && left.members.count == right.members.count
      && zip(left.members, right.members).allSatisfy { $0.key == $1.key && $0.value == $1.value }
  }
}

private struct JSONTreeReader {
  private let bytes: [UInt8]
  private var position = 0
  private var depth = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  mutating func readDocument() -> JSONTree? {
    guard let tree = readValue() else { return nil }
    skipSpace()
    return position == bytes.count ? tree : nil
  }

  private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  private mutating func skipSpace() {
    while let byte = next, [0x20, 0x09, 0x0A, 0x0D].contains(byte) { position += 1 }
  }

  private mutating func take(_ text: String) -> Bool {
    guard bytes[position...].starts(with: text.utf8) else { return false }
    position += text.utf8.count
    return true
  }

  private mutating func readValue() -> JSONTree? {
    skipSpace()
    let start = position
    var tree: JSONTree?
    switch next {
    case UInt8(ascii: "{"): tree = readContainer(.object, end: "}")
    case UInt8(ascii: "["): tree = readContainer(.array, end: "]")
    case UInt8(ascii: "\""):
      tree = readString().map { content in
        var string = JSONTree(.string)
        string.bytes = content
        return string
      }
    case UInt8(ascii: "t"): tree = take("true") ? JSONTree(.yes) : nil
    case UInt8(ascii: "f"): tree = take("false") ? JSONTree(.no) : nil
    case UInt8(ascii: "n"): tree = take("null") ? JSONTree(.null) : nil
    default: tree = readNumber()
    }
    tree?.range = start..<position
    return tree
  }

  private mutating func readContainer(_ kind: JSONScanner.Kind, end: String) -> JSONTree? {
    depth += 1
    defer { depth -= 1 }
    guard depth <= JSONScanner.depthLimit else { return nil }
    var tree = JSONTree(kind)
    position += 1
    skipSpace()
    if take(end) { return tree }
    var comma: Int?
    while true {
      if kind == .object {
        guard let member = readMember(after: comma) else { return nil }
        tree.members.append(member)
      } else {
        guard let element = readValue() else { return nil }
        tree.elements.append(element)
      }
      skipSpace()
      if take(end) { return tree }
      comma = position
      guard take(",") else { return nil }
    }
  }

  private mutating func readMember(after comma: Int?) -> JSONTree.Member? {
    skipSpace()
    let start = position
    guard let key = readString() else { return nil }
    skipSpace()
    guard take(":"), let value = readValue() else { return nil }
    return JSONTree.Member(key: key, keyStart: start, comma: comma, value: value)
  }

  private mutating func readNumber() -> JSONTree? {
    let start = position
    _ = take("-")
    if !take("0"), takeDigits() == 0 { return nil }
    if take("."), takeDigits() == 0 { return nil }
    if take("e") || take("E") {
      if !take("+") { _ = take("-") }
      if takeDigits() == 0 { return nil }
    }
    var tree = JSONTree(.number)
    tree.bytes = Array(bytes[start..<position])
    return tree
  }

  private mutating func takeDigits() -> Int {
    let start = position
    while let byte = next, (0x30...0x39).contains(byte) { position += 1 }
    return position - start
  }

  private mutating func readString() -> [UInt8]? {
    guard take("\"") else { return nil }
    var content = [UInt8]()
    while let byte = next, byte >= 0x20 {
      position += 1
      if byte == UInt8(ascii: "\"") { return content }
      if byte != UInt8(ascii: "\\") {
        content.append(byte)
      } else {
        guard let escaped = readEscape() else { return nil }
        content += escaped
      }
    }
    return nil
  }

  private mutating func readEscape() -> [UInt8]? {
    for (letter, byte) in zip("\"\\/bfnrt", [0x22, 0x5C, 0x2F, 8, 12, 10, 13, 9] as [UInt8])
    where take(String(letter)) {
      return [byte]
    }
    guard take("u"), let unit = readHex() else { return nil }
    var scalar = Unicode.Scalar(unit)
    if (0xD800..<0xDC00).contains(unit) {
      let mark = position
      if take("\\u"), let second = readHex(), (0xDC00..<0xE000).contains(second) {
        scalar = Unicode.Scalar(0x10000 + (unit - 0xD800) << 10 + second - 0xDC00)
      } else {
        position = mark
      }
    }
    return Array(String(scalar ?? "\u{FFFD}").utf8)
  }

  private mutating func readHex() -> UInt32? {
    guard bytes.count - position >= 4 else { return nil }
    let digits = bytes[position..<position + 4]
    guard digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }) else { return nil }
    position += 4
    return UInt32(text(digits), radix: 16)
  }
}
