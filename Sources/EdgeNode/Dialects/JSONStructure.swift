// The scanner's way through arrays, objects and literals.

extension JSONScanner {
  @inline(__always)
  mutating func readValue(_ cursor: inout JSONCursor) -> Step {
    guard cursor.skipWhitespace() else { return .more }
    let byte = cursor.byte
    if byte != UInt8(ascii: "]") { start = cursor.offset }
    switch byte {
    case UInt8(ascii: "\""):
      isKey = false
      isCapturing = pending != .none
      return beginString(&cursor)
    case UInt8(ascii: "{"): return open(&cursor, isObject: true)
    case UInt8(ascii: "["): return open(&cursor, isObject: false)
    case UInt8(ascii: "0")...UInt8(ascii: "9"):
      integer = UInt64(byte &- UInt8(ascii: "0"))
      isInteger = true
      state = byte == UInt8(ascii: "0") ? .zero : .integer
    case UInt8(ascii: "-"):
      isInteger = false
      state = .minus
    case UInt8(ascii: "t"): beginLiteral(.yes, rest: 0x65_75_72)
    case UInt8(ascii: "f"): beginLiteral(.no, rest: 0x65_73_6C_61)
    case UInt8(ascii: "n"): beginLiteral(.null, rest: 0x6C_6C_75)
    case UInt8(ascii: "]") where state == .valueOrArrayEnd:
      return close(&cursor, isEmpty: true)
    default: return fail("expected a value", at: cursor.offset)
    }
    cursor.advance()
    return .more
  }

  @inline(__always)
  mutating func readKey(_ cursor: inout JSONCursor) -> Step {
    guard cursor.skipWhitespace() else { return .more }
    let byte = cursor.byte
    if byte == UInt8(ascii: "\"") {
      isKey = true
      isCapturing = namedDepth == depth
      if isCapturing {
        memberIsFirst = state == .keyOrObjectEnd
        memberStart = memberIsFirst ? cursor.offset : separator
      }
      return beginString(&cursor)
    }
    if byte == UInt8(ascii: "}") && state == .keyOrObjectEnd {
      return close(&cursor, isEmpty: true)
    }
    return fail("expected a key in quotes", at: cursor.offset)
  }

  @inline(__always)
  mutating func readColon(_ cursor: inout JSONCursor) -> Step {
    guard cursor.skipWhitespace() else { return .more }
    guard cursor.byte == UInt8(ascii: ":") else {
      return fail("expected a colon", at: cursor.offset)
    }
    cursor.advance()
    state = .value
    return .more
  }

  @inline(__always)
  mutating func readCommaOrEnd(_ cursor: inout JSONCursor) -> Step {
    guard cursor.skipWhitespace() else { return .more }
    switch cursor.byte {
    case UInt8(ascii: ","):
      separator = cursor.offset
      if containers & 1 == 1 {
        state = .key
      } else {
        state = .value
        pending = elementNode()
      }
      cursor.advance()
      return .more
    case UInt8(ascii: "}"), UInt8(ascii: "]"): return close(&cursor, isEmpty: false)
    default: return fail("expected a comma or the end of an array or object", at: cursor.offset)
    }
  }

  private mutating func open(_ cursor: inout JSONCursor, isObject: Bool) -> Step {
    guard depth < Self.depthLimit else {
      return fail("nested deeper than 128 levels", at: cursor.offset)
    }
    cursor.advance()
    containers = containers << 1 | (isObject ? 1 : 0)
    depth &+= 1
    state = isObject ? .keyOrObjectEnd : .valueOrArrayEnd
    guard pending != .none, namedDepth < Self.reportDepthLimit else {
      pending = .none
      return .more
    }
    node = pending
    kind = isObject ? .object : .array
    path = path << 8 | UInt64(node.rawValue)
    namedDepth = depth
    pending = isObject ? .none : schema.element(of: node)
    return .began
  }

  private mutating func close(_ cursor: inout JSONCursor, isEmpty: Bool) -> Step {
    let closesObject = cursor.byte == UInt8(ascii: "}")
    guard closesObject == (containers & 1 == 1) else {
      return fail("an array or object is closed by the wrong bracket", at: cursor.offset)
    }
    cursor.advance()
    containers >>= 1
    depth &-= 1
    state = depth == 0 ? .done : .commaOrEnd
    guard namedDepth > depth else { return .more }
    node = JSONNode(rawValue: UInt8(truncatingIfNeeded: path)) ?? .none
    kind = closesObject ? .object : .array
    self.isEmpty = isEmpty
    end = cursor.offset
    path >>= 8
    namedDepth = depth
    return .ended
  }

  /// The place of the next element of the array that we are in.
  @inline(__always)
  private func elementNode() -> JSONNode {
    guard namedDepth == depth else { return .none }
    return schema.element(of: innermost)
  }

  /// The place of the innermost named container.
  @inline(__always)
  var innermost: JSONNode { JSONNode(rawValue: UInt8(truncatingIfNeeded: path)) ?? .none }

  // MARK: Literals

  /// - Parameter rest: the bytes that have to follow, the first one lowest
  @inline(__always)
  private mutating func beginLiteral(_ kind: Kind, rest: UInt32) {
    self.kind = kind
    literalRest = rest
    state = .literal
  }

  @inline(__always)
  mutating func readLiteral(_ cursor: inout JSONCursor) -> Step {
    while cursor.position < cursor.count {
      guard cursor.byte == UInt8(truncatingIfNeeded: literalRest) else {
        return fail("expected a value", at: cursor.offset)
      }
      cursor.advance()
      literalRest >>= 8
      if literalRest == 0 { return endScalar(kind, at: cursor.offset) }
    }
    return .more
  }

  /// A string, number or literal is whole.
  @inline(__always)
  mutating func endScalar(_ kind: Kind, at offset: Int) -> Step {
    state = depth == 0 ? .done : .commaOrEnd
    guard pending != .none else { return .more }
    node = pending
    pending = .none
    self.kind = kind
    end = offset
    return .ended
  }
}
