// Writes the chunked transfer coding (RFC 9112, section 7.1).

enum HTTP1Chunk {
  /// Bytes of a chunk's frame at the most: eight digits, two line ends, and the last chunk.
  static let overhead = 8 + 2 + 2 + 5

  /// - Returns: bytes written
  static func writeSize(_ count: Int, _ space: UnsafeMutableRawPointer) -> Int {
    var digits = 1
    while count >> (4 * digits) != 0 { digits += 1 }
    for index in 0..<digits {
      let value = UInt8(truncatingIfNeeded: count >> (4 * (digits - 1 - index)) & 15)
      let character = value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
      space.storeBytes(of: character, toByteOffset: index, as: UInt8.self)
    }
    return digits + writeLineEnd(space + digits)
  }

  static func writeLineEnd(_ space: UnsafeMutableRawPointer) -> Int { write("\r\n", space) }

  /// Writes the last chunk. Trailers, if there are any, are put into `output`, which has to be sent next.
  static func writeEnd(
    _ space: UnsafeMutableRawPointer, trailers: borrowing HeaderBlock, output: borrowing ByteQueue
  ) -> Int {
    guard trailers.count > 0 else { return write("0\r\n\r\n", space) }
    trailers.writeLines(to: output)
    output.append("\r\n")
    return write("0\r\n", space)
  }

  private static func write(_ text: StaticString, _ space: UnsafeMutableRawPointer) -> Int {
    space.copyMemory(from: text.utf8Start, byteCount: text.utf8CodeUnitCount)
    return text.utf8CodeUnitCount
  }
}

extension HeaderBlock {
  private static let colonSpace = UInt16(littleEndian: 0x203A)
  private static let lineEnd = UInt16(littleEndian: 0x0A0D)

  /// Appends the fields as HTTP/1.1 lines, without those of HTTP/2 that begin with a colon.
  func writeLines(to output: borrowing ByteQueue) {
    forEachField { _, name, value, _ in
      guard name.first != UInt8(ascii: ":") else { return }
      let length = name.count &+ value.count &+ 4
      let line = UnsafeMutableRawBufferPointer(start: output.reserve(length), count: length)
      line.copyMemory(from: name)
      line.storeBytes(of: Self.colonSpace, toByteOffset: name.count, as: UInt16.self)
      UnsafeMutableRawBufferPointer(rebasing: line[(name.count &+ 2)...]).copyMemory(from: value)
      line.storeBytes(of: Self.lineEnd, toByteOffset: length &- 2, as: UInt16.self)
      output.produced(length)
    }
  }
}
