// Text into JSON strings, without the quotes.

enum JSONEscaping {
  /// Appends text as the content of a JSON string.
  /// - Parameter text: UTF-8; not checked
  static func append(_ text: UnsafeRawBufferPointer, into out: borrowing ByteQueue) {
    guard let start = text.baseAddress else { return }
    var position = 0
    while position < text.count {
      let plain = plainStringLength(start + position, text.count - position)
      out.append(UnsafeRawBufferPointer(start: start + position, count: plain))
      position += plain
      if position == text.count { return }
      appendEscape(of: text[position], into: out)
      position += 1
    }
  }

  /// How many bytes `append` adds.
  static func length(of text: UnsafeRawBufferPointer) -> Int {
    var length = text.count
    for byte in text {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): length += 1
      case ..<0x20: length += 5
      default: break
      }
    }
    return length
  }

  /// Appends text that a client sent: bounded, and repaired where it is not UTF-8.
  /// - Parameter limit: bytes of `text`; what lies beyond becomes an ellipsis
  static func append(untrusted text: UnsafeRawBufferPointer, limit: Int, into out: borrowing ByteQueue) {
    let kept = UnsafeRawBufferPointer(rebasing: text.prefix(limit))
    var repaired = String(decoding: kept, as: UTF8.self)
    if text.count > limit { repaired += "…" }
    repaired.withUTF8 { append(UnsafeRawBufferPointer($0), into: out) }
  }

  private static func appendEscape(of byte: UInt8, into out: borrowing ByteQueue) {
    if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
      out.append(byte: UInt8(ascii: "\\"))
      out.append(byte: byte)
      return
    }
    out.append("\\u00")
    out.append(byte: hexDigit(byte >> 4))
    out.append(byte: hexDigit(byte & 15))
  }

  private static func hexDigit(_ value: UInt8) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
  }
}
