// HTTP/1.1 bodies: the chunked coding beside a decoder that reads it in lines, and the other ways to say where a body ends.

@testable import EdgeDataPath

enum BodyTarget {
  static func run(_ input: FuzzInput) {
    let check = input.choice(of: [checkDecoding, checkCoding, checkLength, checkClose])
    check(input)
  }

  /// The bytes are a chunked body, perhaps a good one.
  private static func checkDecoding(_ input: FuzzInput) {
    let whole = BodyVerdict(input, .chunked)
    if let reference = ReferenceChunks(input.bytes) {
      expectEqual(whole, reference.verdict, "chunks decode as they do line by line")
    } else {
      expect(whole.end != .end, "what is no chunked body does not end")
    }
  }

  /// The bytes are payload: sent in chunks, they come out again.
  private static func checkCoding(_ input: FuzzInput) {
    var coded = [UInt8]()
    var rest = input.bytes[...]
    while let size = rest.first.map({ min(Int($0) % 40 + 1, rest.count) }) {
      let digits = String(size, radix: 16, uppercase: size % 2 == 0)
      coded += Array((size % 3 == 0 ? "00\(digits);a=\"b\\\"c\"" : digits).utf8) + [0x0D, 0x0A]
      coded += rest.prefix(size) + [0x0D, 0x0A]
      rest = rest.dropFirst(size)
    }
    coded += Array("0\r\nx-trailer: y\r\n\r\n".utf8)
    let verdict = BodyVerdict(FuzzInput(option: 0, bytes: coded + Array("GET".utf8)), .chunked)
    expectEqual(
      verdict, BodyVerdict(payload: input.bytes, end: .end, consumed: coded.count),
      "chunks give back the payload")
  }

  private static func checkLength(_ input: FuzzInput) {
    guard let first = input.bytes.first else { return }
    let length = Int(first)
    let verdict = BodyVerdict(input, .length(length))
    let payload = Array(input.bytes.prefix(length))
    let end: BodyVerdict.End = payload.count == length ? .end : .needMore
    expectEqual(
      verdict, BodyVerdict(payload: payload, end: end, consumed: payload.count), "a body has its length")
  }

  private static func checkClose(_ input: FuzzInput) {
    let open = BodyVerdict(input, .untilClose)
    expectEqual(
      open, BodyVerdict(payload: input.bytes, end: .needMore, consumed: input.bytes.count),
      "all is body until the close")
    expectEqual(
      BodyVerdict(input, .none), BodyVerdict(payload: [], end: .end, consumed: 0), "no body has no bytes")
  }
}

/// What came of a body.
struct BodyVerdict: Equatable {
  enum End { case needMore, end, invalid }
  var payload = [UInt8]()
  var end = End.needMore
  /// Bytes up to the body's end, or up to where it went wrong.
  var consumed = 0

  init(payload: [UInt8], end: End, consumed: Int) {
    self.payload = payload
    self.end = end
    self.consumed = consumed
  }

  /// Reads a body in every way to cut it; all must come out alike.
  init(_ input: FuzzInput, _ framing: HTTP1Framing) {
    var first: BodyVerdict?
    input.forEachPartition { pieces in
      let verdict = BodyVerdict(pieces, framing)
      if let first { expectEqual(verdict, first, "a body that comes in pieces is the same body") }
      first = first ?? verdict
    }
    self = first ?? BodyVerdict(payload: [], end: .needMore, consumed: 0)
  }

  private init(_ pieces: [Piece], _ framing: HTTP1Framing) {
    var reader = HTTP1BodyReader(framing, HTTP1Limits())
    for piece in pieces where end == .needMore {
      var position = 0
      read(&reader, piece.bytes, &position)
      consumed += position
    }
    // A body without bytes ends before anything came.
    if end == .needMore, reader.isDone { end = .end }
    if hasPlantedFault, payload.count >= 80, framing == .chunked { payload.removeLast() }
  }

  private mutating func read(
    _ reader: inout HTTP1BodyReader, _ bytes: UnsafeRawBufferPointer, _ position: inout Int
  ) {
    let trailers = ByteQueue()
    while true {
      switch reader.next(bytes, &position, trailers: trailers) {
      case .payload(let range): payload += bytes[range]
      case .needMore: return
      case .end:
        end = .end
        return
      case .invalid:
        end = .invalid
        var again = position
        if case .invalid = reader.next(bytes, &again, trailers: trailers) { return }
        expect(false, "a body that is wrong stays wrong")
      }
    }
  }
}

/// A whole chunked body (RFC 9112, section 7.1), read in lines.
private struct ReferenceChunks {
  var payload = [UInt8]()
  var consumed = 0

  var verdict: BodyVerdict { BodyVerdict(payload: payload, end: .end, consumed: consumed) }

  /// - Returns: nil for anything that is no whole, good body
  init?(_ bytes: [UInt8]) {
    var rest = bytes[...]
    var sum = 0
    while true {
      guard let line = Self.takeLine(&rest), let size = Self.size(line) else { return nil }
      sum += size
      if size == 0 { break }
      guard rest.count >= size + 2 else { return nil }
      payload += rest.prefix(size)
      rest = rest.dropFirst(size)
      guard rest.prefix(2).elementsEqual([0x0D, 0x0A]) else { return nil }
      rest = rest.dropFirst(2)
    }
    while let line = Self.takeLine(&rest) {
      if line.isEmpty {
        consumed = bytes.count - rest.count
        expectEqual(payload.count, sum, "the payload is as long as its chunks say")
        return
      }
      guard let colon = line.firstIndex(of: UInt8(ascii: ":")), Self.isToken(line[..<colon]) else {
        return nil
      }
    }
    return nil
  }

  /// A line up to CR LF, with no control but tabs in it.
  private static func takeLine(_ rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    guard let end = rest.firstIndex(where: { ($0 < 0x20 && $0 != 0x09) || $0 == 0x7F }), rest[end] == 0x0D,
      end + 1 < rest.endIndex, rest[end + 1] == 0x0A
    else { return nil }
    defer { rest = rest[(end + 2)...] }
    return rest[..<end]
  }

  private static func isToken(_ bytes: some Collection<UInt8>) -> Bool {
    !bytes.isEmpty && bytes.allSatisfy(HTTP1Characters.isToken)
  }

  /// The size of a chunk whose extensions are good.
  private static func size(_ line: ArraySlice<UInt8>) -> Int? {
    let digits = line.prefix { Character(Unicode.Scalar($0)).isHexDigit }
    guard !digits.isEmpty, digits.count <= 15 else { return nil }
    var rest = line.dropFirst(digits.count)
    while !rest.isEmpty {
      guard takeExtension(&rest) else { return nil }
    }
    return Int(text(digits), radix: 16)
  }

  private static func takeExtension(_ rest: inout ArraySlice<UInt8>) -> Bool {
    guard rest.popFirst() == UInt8(ascii: ";"), takeToken(&rest) else { return false }
    guard rest.first == UInt8(ascii: "=") else { return true }
    rest.removeFirst()
    guard rest.first == UInt8(ascii: "\"") else { return takeToken(&rest) }
    rest.removeFirst()
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "\"") { return true }
      if byte == UInt8(ascii: "\\"), rest.popFirst() == nil { return false }
    }
    return false
  }

  private static func takeToken(_ rest: inout ArraySlice<UInt8>) -> Bool {
    let token = rest.prefix(while: HTTP1Characters.isToken)
    rest = rest.dropFirst(token.count)
    return !token.isEmpty
  }
}
