// Reads the head of an HTTP/1.1 request or answer (RFC 9112), strictly: what two parsers could understand differently is
// refused, because a request that is two things at once can be smuggled past one of them.

import Glibc

package enum HTTP1MessageKind: UInt8, Sendable, BitwiseCopyable {
  case request
  case answer
  /// The answer to a HEAD request: it has no body, whatever its fields say.
  case answerToHead
}

package enum HTTP1HeadStep: Sendable, Equatable {
  case needMore
  case invalid(HTTP1Fault)
  /// The head is whole: so many bytes of the buffer, and the body after them.
  case head(length: Int)
}

/// Remembers how far one connection's bytes were searched for the end of a head, so that a head which comes byte by byte
/// is read twice and not once for each byte.
package struct HTTP1HeadParser: Sendable, BitwiseCopyable {
  private let kind: HTTP1MessageKind
  private let byteLimit: Int32
  private var searched = 0
  private var lineStart = 0
  /// Where the first line begins: an empty line before a request is skipped once.
  private var headStart = 0
  private var firstLineEnd = 0
  private var firstLineIsChecked = false

  /// - Parameter byteLimit: of a whole head; no more than `HTTP1Head.mostBytes`
  package init(kind: HTTP1MessageKind, byteLimit: Int = HTTP1Head.byteLimit) {
    self.kind = kind
    self.byteLimit = Int32(min(byteLimit, HTTP1Head.mostBytes))
  }

  /// Makes the parser ready for the next head, which begins at the buffer's start.
  package mutating func reset() {
    self = HTTP1HeadParser(kind: kind, byteLimit: Int(byteLimit))
  }

  /// Looks at all bytes that came since the head began; those of earlier calls are the same.
  /// - Parameter head: filled when the head is whole
  package mutating func parse(_ buffer: UnsafeRawBufferPointer, into head: inout HTTP1Head) -> HTTP1HeadStep {
    guard let bytes = buffer.baseAddress else { return .needMore }
    let count = min(buffer.count, Int(byteLimit))
    while searched < count {
      searched &+= lineFeedDistance(bytes + searched, count &- searched)
      guard searched < count else { break }
      let lineFeed = searched
      searched &+= 1
      guard lineFeed > lineStart, bytes.load(fromByteOffset: lineFeed &- 1, as: UInt8.self) == 0x0D else {
        return malformed("a line ends without a carriage return")
      }
      let isEmptyLine = lineFeed &- lineStart == 1
      let start = lineStart
      lineStart = searched
      if isEmptyLine {
        if start != headStart { return readHead(bytes, end: start, length: searched, into: &head) }
        guard kind == .request, headStart == 0 else { return malformed("the first line is empty") }
        headStart = searched
      } else if firstLineEnd == 0 {
        firstLineEnd = searched
      }
    }
    if firstLineEnd != 0, !firstLineIsChecked {
      // What does not even begin like a message need not be waited for.
      firstLineIsChecked = true
      head.clear()
      var reader = HTTP1HeadReader(bytes: bytes, position: headStart, end: firstLineEnd)
      if let fault = reader.readFirstLine(kind, into: &head) { return .invalid(fault) }
    }
    if buffer.count >= Int(byteLimit) {
      return .invalid(HTTP1Fault(kind: .tooLarge, reason: "the head is larger than the limit"))
    }
    return .needMore
  }

  /// - Parameter end: where the empty line begins
  private func readHead(
    _ bytes: UnsafeRawPointer, end: Int, length: Int, into head: inout HTTP1Head
  ) -> HTTP1HeadStep {
    head.clear()
    var reader = HTTP1HeadReader(bytes: bytes, position: headStart, end: end)
    if let fault = reader.readFirstLine(kind, into: &head) { return .invalid(fault) }
    while reader.position < end {
      if let fault = reader.readField(into: &head) { return .invalid(fault) }
    }
    if let fault = reader.conclude(kind, into: &head) { return .invalid(fault) }
    return .head(length: length)
  }

  private func malformed(_ reason: StaticString) -> HTTP1HeadStep {
    .invalid(HTTP1Fault(kind: .malformed, reason: reason))
  }

  @inline(__always)
  private func lineFeedDistance(_ bytes: UnsafeRawPointer, _ count: Int) -> Int {
    guard let found = memchr(bytes, 0x0A, count) else { return count }
    return UnsafeRawPointer(found) - bytes
  }
}
