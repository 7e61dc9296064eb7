// The head of an HTTP/1.1 message as places in the bytes that it came in: nothing is copied.

/// Why bytes are not an HTTP/1.1 message that the edge takes. Says nothing of what stood there.
package struct HTTP1Fault: Sendable, Equatable {
  package enum Kind: UInt8, Sendable {
    case malformed
    /// Over a limit: 431 for a client.
    case tooLarge
    /// Neither HTTP/1.0 nor HTTP/1.1: 505 for a client.
    case version
  }

  package var kind: Kind
  package var reason: StaticString

  package static func == (left: HTTP1Fault, right: HTTP1Fault) -> Bool {
    left.kind == right.kind && left.reason.utf8Start == right.reason.utf8Start
  }
}

/// How far a message's body goes (RFC 9112, section 6.3).
package enum HTTP1Framing: Sendable, Equatable {
  case none
  case length(Int)
  case chunked
  /// Only for answers: the body ends with the connection.
  case untilClose
}

/// Where one field stands in the head's bytes. The value has no white space around it and may be empty.
package struct HTTP1Field: Sendable, BitwiseCopyable {
  fileprivate let nameStart: UInt16
  fileprivate let nameEnd: UInt16
  fileprivate let valueStart: UInt16
  fileprivate let valueEnd: UInt16

  package var name: Range<Int> { Int(nameStart)..<Int(nameEnd) }
  package var value: Range<Int> { Int(valueStart)..<Int(valueEnd) }
}

/// What a parser found. One is enough for a loop: it is filled whenever a head is whole, and read before the next one.
package struct HTTP1Head: ~Copyable {
  package static let fieldLimit = 100
  /// Bytes of a whole head.
  package static let byteLimit = 32 * 1024
  /// Places in a head fit 16 bits.
  package static let mostBytes = 65_535

  private let fields: UnsafeMutablePointer<HTTP1Field>
  private let fieldLimit: Int
  package private(set) var count = 0

  // Requests.
  package internal(set) var method = 0..<0
  /// The path and the query: for an absolute target, without its scheme and authority.
  package internal(set) var target = 0..<0
  /// The value of `host`; empty where an HTTP/1.0 request has none.
  package internal(set) var host = 0..<0
  package internal(set) var expectsContinue = false
  // Answers.
  package internal(set) var status = 0
  // Both.
  /// 0 or 1.
  package internal(set) var minorVersion = 1
  package internal(set) var framing = HTTP1Framing.none
  /// The connection may carry another message after this one.
  package internal(set) var keepAlive = true

  /// The authority of an absolute target.
  var targetAuthority = 0..<0

  package init(fieldLimit: Int = Self.fieldLimit) {
    self.fieldLimit = fieldLimit
    fields = .allocate(capacity: fieldLimit)
  }

  deinit {
    fields.deallocate()
  }

  package subscript(index: Int) -> HTTP1Field {
    precondition(index >= 0 && index < count)
    return fields[index]
  }

  mutating func clear() {
    count = 0
    method = 0..<0
    target = 0..<0
    targetAuthority = 0..<0
    host = 0..<0
    expectsContinue = false
    status = 0
    minorVersion = 1
    framing = .none
    keepAlive = true
  }

  /// - Returns: false when there is no room
  mutating func append(nameStart: Int, nameEnd: Int, valueStart: Int, valueEnd: Int) -> Bool {
    guard count < fieldLimit else { return false }
    fields[count] = HTTP1Field(
      nameStart: UInt16(truncatingIfNeeded: nameStart), nameEnd: UInt16(truncatingIfNeeded: nameEnd),
      valueStart: UInt16(truncatingIfNeeded: valueStart), valueEnd: UInt16(truncatingIfNeeded: valueEnd))
    count &+= 1
    return true
  }
}
