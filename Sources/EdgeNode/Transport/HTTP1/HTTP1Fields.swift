// A parsed HTTP/1.1 head as a block of fields, as HTTP/2 has them: names in lower case, the first line as pseudo-fields.

extension HTTP1Head {
  /// - Parameter bytes: those that were parsed
  func copyRequest(_ bytes: UnsafeRawBufferPointer, into block: borrowing HeaderBlock) {
    block.append(.method, ":method", UnsafeRawBufferPointer(rebasing: bytes[method]))
    block.append(.path, ":path", UnsafeRawBufferPointer(rebasing: bytes[target]))
    block.append(.authority, ":authority", UnsafeRawBufferPointer(rebasing: bytes[host]))
    copyFields(bytes, into: block)
  }

  func copyAnswer(_ bytes: UnsafeRawBufferPointer, into block: borrowing HeaderBlock) {
    copyFields(bytes, into: block)
  }

  /// Adds the fields among the lines of a trailer section, whose syntax the decoder has checked.
  static func copyTrailers(_ bytes: UnsafeRawBufferPointer, into block: borrowing HeaderBlock) {
    var start = 0
    while start < bytes.count {
      var end = start
      while end < bytes.count, bytes[end] != 0x0A { end += 1 }
      copyTrailer(bytes, start, end, into: block)
      start = end + 1
    }
  }

  private static func copyTrailer(
    _ bytes: UnsafeRawBufferPointer, _ start: Int, _ end: Int, into block: borrowing HeaderBlock
  ) {
    var colon = start
    while colon < end, HTTP1Characters.isToken(bytes[colon]) { colon += 1 }
    guard colon > start, colon < end, bytes[colon] == UInt8(ascii: ":"), block.count < fieldLimit else {
      return
    }
    let valueEnd = bytes[end - 1] == 0x0D ? end - 1 : end
    block.append(
      anyCase: UnsafeRawBufferPointer(rebasing: bytes[start..<colon]),
      trimmed(bytes, colon + 1, max(colon + 1, valueEnd)))
  }

  private func copyFields(_ bytes: UnsafeRawBufferPointer, into block: borrowing HeaderBlock) {
    var index = 0
    while index < count {
      let field = self[index]
      index += 1
      block.append(
        anyCase: UnsafeRawBufferPointer(rebasing: bytes[field.name]),
        UnsafeRawBufferPointer(rebasing: bytes[field.value]))
    }
  }
}
