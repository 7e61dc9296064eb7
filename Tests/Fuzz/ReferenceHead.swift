// The head of an HTTP/1.1 message, read in the plainest way: in lines, in strings, and with every rule of RFC 9112 that
// keeps two parsers from disagreeing stated as a sentence.

@testable import EdgeDataPath

struct ReferenceHead {
  private let kind: HTTP1MessageKind
  private var method = ""
  private var target = ""
  private var authority: String?
  private var status = 0
  private var minorVersion = 1
  private(set) var fields = [HeadField]()

  /// - Parameter bytes: a head that was accepted, and nothing else
  init(_ bytes: [UInt8], _ kind: HTTP1MessageKind) {
    self.kind = kind
    expect(!bytes.contains(0), "no NUL stands in an accepted head")
    var lines = Self.lines(of: bytes)
    expect(lines.suffix(2).allSatisfy(\.isEmpty), "a head ends with an empty line")
    lines.removeLast(2)
    if kind == .request, lines.first?.isEmpty == true { lines.removeFirst() }
    let first = text(lines.removeFirst()).split(
      separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
    if kind == .request { readRequestLine(first) } else { readStatusLine(first) }
    fields = lines.map(Self.field)
    expect(fields.count <= HTTP1Head.fieldLimit, "no more fields than the limit")
  }

  /// Cuts at CR LF; neither may stand alone.
  private static func lines(of bytes: [UInt8]) -> [ArraySlice<UInt8>] {
    var lines = [ArraySlice<UInt8>]()
    var start = 0
    for index in bytes.indices where bytes[index] == 0x0A || bytes[index] == 0x0D {
      if bytes[index] == 0x0D {
        expect(index + 1 < bytes.count && bytes[index + 1] == 0x0A, "no CR stands alone in an accepted head")
      } else {
        expect(index > 0 && bytes[index - 1] == 0x0D, "no LF stands alone in an accepted head")
        lines.append(bytes[start..<index - 1])
        start = index + 1
      }
    }
    return lines + [bytes[start...]]
  }

  private mutating func readRequestLine(_ words: [Substring]) {
    expectEqual(words.count, 3, "a request line has three words")
    method = String(words[0])
    expect(Self.isToken(method.utf8), "a method is a token")
    target = String(words[1])
    expect(
      !target.isEmpty && target.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x23 },
      "a target is visible ASCII")
    if !target.hasPrefix("/") {
      let scheme = ["http://", "https://"].first { target.lowercased().hasPrefix($0) }
      expect(scheme != nil, "a target is a path or a URL")
      let rest = target.dropFirst(scheme?.count ?? 0)
      guard let slash = rest.firstIndex(of: "/") else { return expect(false, "a URL has a path") }
      authority = String(rest[..<slash])
      target = String(rest[slash...])
    }
    readVersion(words[2])
  }

  private mutating func readStatusLine(_ words: [Substring]) {
    expect(words.count >= 2, "a status line has a status")
    readVersion(words[0])
    expect(words[1].utf8.count == 3, "a status has three digits")
    status = Int(words[1]) ?? 0
    expect((100..<600).contains(status) && status != 101, "a status is in range")
  }

  private mutating func readVersion(_ word: Substring) {
    expect(word == "HTTP/1.1" || word == "HTTP/1.0", "the version is 1.0 or 1.1")
    minorVersion = word.hasSuffix("1") ? 1 : 0
  }

  private static func field(_ line: ArraySlice<UInt8>) -> HeadField {
    guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else {
      expect(false, "a field has a colon")
      return HeadField(name: "", value: [])
    }
    expect(isToken(line[..<colon]), "a field's name is a token")
    var value = line[(colon + 1)...]
    while let first = value.first, first == 0x20 || first == 0x09 { value.removeFirst() }
    while let last = value.last, last == 0x20 || last == 0x09 { value.removeLast() }
    expect(
      value.allSatisfy { $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }, "no control stands in an accepted value")
    return HeadField(name: text(line[..<colon]), value: value)
  }

  private static func isToken(_ bytes: some Collection<UInt8>) -> Bool {
    let others = Set("!#$%&'*+-.^_`|~".utf8)
    return !bytes.isEmpty
      && bytes.allSatisfy { byte in
        let character = Character(Unicode.Scalar(byte))
        return others.contains(byte) || character.isASCII && (character.isLetter || character.isNumber)
      }
  }

  private func values(_ name: String) -> [String] {
    fields.filter { $0.name.lowercased() == name }.map { text($0.value) }
  }

  // MARK: What it means

  func verdict(_ length: Int) -> HeadVerdict {
    var verdict = HeadVerdict(step: .head(length: length))
    verdict.method = method
    verdict.target = target
    verdict.status = status
    verdict.minorVersion = minorVersion
    verdict.fields = fields
    verdict.framing = framing
    verdict.host = kind == .request ? host : values("host").first ?? ""
    verdict.expectsContinue =
      minorVersion == 1 && values("expect").contains { $0.lowercased() == "100-continue" }
    let options = values("connection").flatMap { $0.lowercased().split(separator: ",") }
      .map { $0.drop { " \t".contains($0) } }
      .map { String($0.reversed().drop { " \t".contains($0) }.reversed()) }
    verdict.keepAlive =
      !options.contains("close") && (minorVersion == 1 || options.contains("keep-alive"))
      && framing != .untilClose
    return verdict
  }

  private var host: String {
    let hosts = values("host")
    expect(hosts.count <= 1, "a request has one host")
    guard let host = hosts.first else {
      expect(minorVersion == 0 && authority == nil, "a request without a host is an old one")
      return ""
    }
    expect(!host.isEmpty && !host.utf8.contains { "/?#@, \t\"\\".utf8.contains($0) }, "a host is a host")
    if let authority { expectEqual(authority.lowercased(), host.lowercased(), "target and host agree") }
    return host
  }

  private var framing: HTTP1Framing {
    let lengths = values("content-length")
    let codings = values("transfer-encoding")
    expect(lengths.count + codings.count <= 1, "one field decides over the body's end")
    expect(codings.allSatisfy { $0.lowercased() == "chunked" }, "the only coding is chunked")
    expect(codings.isEmpty || minorVersion == 1, "only HTTP/1.1 has transfer codings")
    expect(
      lengths.allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } },
      "a length is digits")
    let announced: HTTP1Framing? =
      codings.isEmpty ? lengths.first.flatMap { Int($0) }.map { .length($0) } : .chunked
    if kind == .request { return announced ?? .none }
    if status < 200 || status == 204 {
      expect(announced == nil || announced == .length(0), "an answer that has no body announces none")
      return .none
    }
    if status == 304 || kind == .answerToHead { return .none }
    return announced ?? .untilClose
  }

  /// The same head in other bytes.
  var written: [UInt8] {
    let version = "HTTP/1.\(minorVersion)"
    let line = kind == .request ? "\(method) \(target) \(version)\r\n" : "\(version) \(status)\r\n"
    return Array(line.utf8) + fields.flatMap { Array("\($0.name): ".utf8) + $0.value + [0x0D, 0x0A] } + [
      0x0D, 0x0A,
    ]
  }
}
