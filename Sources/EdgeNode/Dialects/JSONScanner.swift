// Reads a JSON document (RFC 8259) as it passes, in chunks split anywhere, and validates every byte of it. It builds no
// tree: it reports the members that its schema names and passes over the rest.
//
// UTF-8 inside strings is not checked: it is passed on as it came, and whoever keeps it has to.

/// Where a document was found not to be JSON. Says nothing about what stood there.
package struct JSONFault: Sendable {
  package var reason: StaticString
  /// Bytes from the document's start.
  package var offset: Int
}

/// A streaming scanner: call `scan` until it says `more`, then again with the next bytes, then `finish`.
package struct JSONScanner: Sendable {
  /// How deep arrays and objects may nest.
  package static let depthLimit = 128
  /// How deep a schema may name members.
  static let reportDepthLimit = 8

  package enum Step: UInt8, Sendable {
    /// All bytes were read and are good so far.
    case more
    /// A named array or object has begun: `node`, `kind`, `start`, `memberStart`.
    case began
    /// A named value has ended: `node`, `kind`, `end`; for scalars `start`, `memberStart` and the value itself.
    case ended
    /// The document is not JSON: `fault`.
    case invalid
  }

  package enum Kind: UInt8, Sendable {
    case object, array, string, number, yes, no, null
  }

  enum State: UInt8 {
    case value, valueOrArrayEnd, key, keyOrObjectEnd, colon, commaOrEnd
    case string, escape, hex
    case literal
    case minus, zero, integer, point, fraction, exponentMark, exponentSign, exponent
    case done, failed
  }

  // The value last reported.
  package internal(set) var node = JSONNode.none
  package internal(set) var kind = Kind.null
  /// The value's first byte, and the one after its last.
  package internal(set) var start = 0
  package internal(set) var end = 0
  /// Where the member can be cut out: at the comma before its key, or at the key where it is its object's first.
  package internal(set) var memberStart = 0
  package internal(set) var memberIsFirst = true
  /// Of an array or object that ended: nothing was in it.
  package internal(set) var isEmpty = false
  /// The decoded text of a string that ended.
  package internal(set) var text = InlineText()
  /// The value of a number that ended, where it is one without sign, fraction and exponent.
  package internal(set) var integer: UInt64 = 0
  package internal(set) var isInteger = false
  package internal(set) var fault = JSONFault(reason: "", offset: 0)

  var state = State.value
  let schema: JSONSchema
  /// One bit for each open container, the innermost lowest: set for an object.
  var containers: UInt128 = 0
  var depth = 0
  /// One byte for each open container that has a name, the innermost lowest.
  var path: UInt64 = 0
  /// How many of the open containers have a name; they are the outermost ones.
  var namedDepth = 0
  /// The name of the value that comes next.
  var pending = JSONNode.root
  /// The last comma.
  var separator = 0
  var isKey = false
  var isCapturing = false
  var literalRest: UInt32 = 0
  var hexDigitsLeft = 0
  var codeUnit: UInt32 = 0
  /// The first half of a surrogate pair whose second half may follow; 0 for none.
  var highSurrogate: UInt32 = 0

  package init(schema: JSONSchema) {
    self.schema = schema
  }

  /// Makes the scanner ready for another document.
  mutating func reset() {
    state = .value
    containers = 0
    depth = 0
    path = 0
    namedDepth = 0
    pending = .root
  }

  /// The document is whole: only white space may follow.
  package var isComplete: Bool { state == .done }

  /// Reads on until there is something to report.
  /// - Parameters:
  ///   - position: in `bytes`: where to read on; moved past what was read
  ///   - base: the offset of `bytes[0]` in the caller's count; all offsets reported are in that count
  @inline(__always)
  package mutating func scan(_ bytes: UnsafeRawBufferPointer, from position: inout Int, base: Int)
    -> Step
  {
    guard let address = bytes.baseAddress else { return .more }
    var cursor = JSONCursor(bytes: address, count: bytes.count, position: position, base: base)
    let step = scan(&cursor)
    position = cursor.position
    return step
  }

  /// To be called after the last byte.
  /// - Parameter offset: where the document ends, in the caller's count
  /// - Returns: `more` when the document was whole
  package mutating func finish(at offset: Int) -> Step {
    switch state {
    case .done: return .more
    case .failed: return .invalid
    case .zero, .integer, .fraction, .exponent:
      if depth == 0 {
        state = .done
        return .more
      }
      return fail("unexpected end", at: offset)
    default: return fail("unexpected end", at: offset)
    }
  }

  private mutating func scan(_ cursor: inout JSONCursor) -> Step {
    while cursor.position < cursor.count {
      let step: Step
      switch state {
      case .string: step = readString(&cursor)
      case .value, .valueOrArrayEnd: step = readValue(&cursor)
      case .key, .keyOrObjectEnd: step = readKey(&cursor)
      case .colon: step = readColon(&cursor)
      case .commaOrEnd: step = readCommaOrEnd(&cursor)
      case .escape: step = readEscape(&cursor)
      case .hex: step = readHex(&cursor)
      case .literal: step = readLiteral(&cursor)
      case .minus, .zero, .integer, .point, .fraction, .exponentMark, .exponentSign, .exponent:
        step = readNumber(&cursor)
      case .done:
        if cursor.skipWhitespace() {
          step = fail("unexpected data after the end", at: cursor.offset)
        } else {
          step = .more
        }
      case .failed: step = .invalid
      }
      if step != .more { return step }
    }
    return .more
  }

  @inline(never)
  mutating func fail(_ reason: StaticString, at offset: Int) -> Step {
    state = .failed
    fault = JSONFault(reason: reason, offset: offset)
    return .invalid
  }
}

/// Where a scan stands in the bytes at hand.
struct JSONCursor {
  let bytes: UnsafeRawPointer
  let count: Int
  var position: Int
  let base: Int

  @inline(__always)
  var byte: UInt8 { bytes.load(fromByteOffset: position, as: UInt8.self) }

  @inline(__always)
  var offset: Int { base &+ position }

  @inline(__always)
  mutating func advance() { position &+= 1 }

  /// - Returns: whether a byte follows
  @inline(__always)
  mutating func skipWhitespace() -> Bool {
    while position < count {
      let byte = byte
      if byte > 0x20 { return true }
      if byte != 0x20 && byte != 0x0A && byte != 0x0D && byte != 0x09 { return true }
      position &+= 1
    }
    return false
  }

  /// - Returns: whether a byte follows
  @inline(__always)
  mutating func skipDigits() -> Bool {
    while position < count {
      if byte &- UInt8(ascii: "0") >= 10 { return true }
      position &+= 1
    }
    return false
  }
}
