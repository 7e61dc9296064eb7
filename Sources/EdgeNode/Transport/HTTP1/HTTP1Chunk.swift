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
  /// Appends the fields as HTTP/1.1 lines, without those of HTTP/2 that begin with a colon.
  func writeLines(to output: borrowing ByteQueue) {
    var index = 0
    while index < count {
      if nameBytes(index).first != UInt8(ascii: ":") {
        output.append(nameBytes(index))
        output.append(": ")
        output.append(valueBytes(index))
        output.append("\r\n")
      }
      index += 1
    }
  }
}
