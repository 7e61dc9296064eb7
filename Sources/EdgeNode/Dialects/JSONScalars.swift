// The scanner's way through strings and numbers.

extension JSONScanner {
  /// At a string's opening quote. Most strings are whole and without escapes: those take no turn through the states.
  @inline(__always)
  mutating func beginString(_ cursor: inout JSONCursor) -> Step {
    cursor.advance()
    let content = cursor.bytes + cursor.position
    let length = plainStringLength(content, cursor.count &- cursor.position)
    let after = cursor.position &+ length
    if after < cursor.count,
      cursor.bytes.load(fromByteOffset: after, as: UInt8.self) == UInt8(ascii: "\"")
    {
      cursor.position = after &+ 1
      if isKey { return endKey(UnsafeRawBufferPointer(start: content, count: length), &cursor) }
      if isCapturing {
        text.clear()
        text.append(content, length)
      }
      return endScalar(.string, at: cursor.offset)
    }
    if isCapturing {
      text.clear()
      text.append(content, length)
    }
    highSurrogate = 0
    cursor.position = after
    state = .string
    return .more
  }

  /// Inside a string that has escapes or is split.
  @inline(__always)
  mutating func readString(_ cursor: inout JSONCursor) -> Step {
    let content = cursor.bytes + cursor.position
    let length = plainStringLength(content, cursor.count &- cursor.position)
    if length > 0 {
      flushSurrogate()
      if isCapturing { text.append(content, length) }
      cursor.position &+= length
      if cursor.position == cursor.count { return .more }
    }
    switch cursor.byte {
    case UInt8(ascii: "\\"):
      state = .escape
      cursor.advance()
      return .more
    case UInt8(ascii: "\""):
      flushSurrogate()
      cursor.advance()
      if !isKey { return endScalar(.string, at: cursor.offset) }
      let key = text
      return key.withBytes {
        endKey(key.overflows ? UnsafeRawBufferPointer(start: nil, count: 0) : $0, &cursor)
      }
    default: return fail("a control character stands in a string", at: cursor.offset)
    }
  }

  @inline(__always)
  private mutating func endKey(_ key: UnsafeRawBufferPointer, _ cursor: inout JSONCursor) -> Step {
    pending = isCapturing ? schema.node(under: innermost, key: key) : .none
    if cursor.position < cursor.count, cursor.byte == UInt8(ascii: ":") {
      cursor.advance()
      state = .value
    } else {
      state = .colon
    }
    return .more
  }

  // MARK: Escapes

  mutating func readEscape(_ cursor: inout JSONCursor) -> Step {
    let byte = cursor.byte
    let decoded: UInt8
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): decoded = byte
    case UInt8(ascii: "b"): decoded = 0x08
    case UInt8(ascii: "f"): decoded = 0x0C
    case UInt8(ascii: "n"): decoded = 0x0A
    case UInt8(ascii: "r"): decoded = 0x0D
    case UInt8(ascii: "t"): decoded = 0x09
    case UInt8(ascii: "u"):
      hexDigitsLeft = 4
      codeUnit = 0
      state = .hex
      cursor.advance()
      return .more
    default: return fail("a string has an unknown escape", at: cursor.offset)
    }
    cursor.advance()
    flushSurrogate()
    if isCapturing { text.append(byte: decoded) }
    state = .string
    return .more
  }

  mutating func readHex(_ cursor: inout JSONCursor) -> Step {
    let byte = cursor.byte
    let digit: UInt8
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte &- UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte &- UInt8(ascii: "a") &+ 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte &- UInt8(ascii: "A") &+ 10
    default: return fail("expected four hexadecimal digits", at: cursor.offset)
    }
    cursor.advance()
    codeUnit = codeUnit << 4 | UInt32(digit)
    hexDigitsLeft &-= 1
    if hexDigitsLeft == 0 {
      appendCodeUnit()
      state = .string
    }
    return .more
  }

  /// Joins UTF-16 surrogates. A half that stays alone is legal JSON and becomes U+FFFD.
  private mutating func appendCodeUnit() {
    if highSurrogate != 0, codeUnit & 0xFC00 == 0xDC00 {
      let codePoint = 0x10000 + ((highSurrogate & 0x3FF) << 10 | codeUnit & 0x3FF)
      highSurrogate = 0
      if isCapturing { text.append(codePoint: codePoint) }
      return
    }
    flushSurrogate()
    if codeUnit & 0xFC00 == 0xD800 {
      highSurrogate = codeUnit
    } else if isCapturing {
      text.append(codePoint: codeUnit)
    }
  }

  @inline(__always)
  private mutating func flushSurrogate() {
    if highSurrogate == 0 { return }
    highSurrogate = 0
    if isCapturing { text.append(codePoint: 0xFFFD) }
  }

  // MARK: Numbers

  @inline(__always)
  mutating func readNumber(_ cursor: inout JSONCursor) -> Step {
    while cursor.position < cursor.count {
      if state == .fraction || state == .exponent {
        guard cursor.skipDigits() else { return .more }
      }
      let byte = cursor.byte
      let isDigit = byte &- UInt8(ascii: "0") < 10
      if isDigit && state == .integer {
        appendDigit(byte)
        cursor.advance()
        continue
      }
      guard let next = numberState(after: byte, isDigit: isDigit) else {
        switch state {
        case .zero, .integer, .fraction, .exponent: return endScalar(.number, at: cursor.offset)
        default: return fail("expected a digit", at: cursor.offset)
        }
      }
      // Only plain digits make an integer, and those stay in one state.
      isInteger = false
      state = next
      cursor.advance()
    }
    return .more
  }

  /// The grammar of RFC 8259, section 6, where it does not stay in the same place.
  /// - Returns: nil when the byte is not part of the number
  @inline(__always)
  private func numberState(after byte: UInt8, isDigit: Bool) -> State? {
    let isExponentMark = byte | 0x20 == UInt8(ascii: "e")
    switch state {
    case .minus: return isDigit ? (byte == UInt8(ascii: "0") ? .zero : .integer) : nil
    case .zero, .integer:
      if byte == UInt8(ascii: ".") { return .point }
      return isExponentMark ? .exponentMark : nil
    case .point: return isDigit ? .fraction : nil
    case .fraction: return isExponentMark ? .exponentMark : nil
    case .exponentMark:
      if byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-") { return .exponentSign }
      return isDigit ? .exponent : nil
    case .exponentSign: return isDigit ? .exponent : nil
    default: return nil
    }
  }

  @inline(__always)
  private mutating func appendDigit(_ byte: UInt8) {
    let (tens, overflowsTens) = integer.multipliedReportingOverflow(by: 10)
    let (sum, overflowsSum) = tens.addingReportingOverflow(UInt64(byte &- UInt8(ascii: "0")))
    integer = sum
    if overflowsTens || overflowsSum { isInteger = false }
  }
}
