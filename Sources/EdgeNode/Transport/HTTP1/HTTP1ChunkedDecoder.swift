// Takes the chunked transfer coding (RFC 9112, section 7.1) off a body as it comes, split anywhere. Extensions and
// trailers are checked, bounded and left out.

package struct HTTP1ChunkedDecoder: Sendable, BitwiseCopyable {
  /// Bytes of extensions in one body: whoever sends one with every chunk makes work and no payload.
  package static let extensionLimit = 4 * 1024
  package static let trailerLimit = 8 * 1024
  /// Hexadecimal digits of a chunk's size, leading zeros counted.
  package static let sizeDigitLimit = 15

  package enum Step: Sendable, Equatable {
    case needMore
    /// Payload, as a range of the bytes given. More may follow in the same bytes.
    case payload(Range<Int>)
    /// The body is whole. What follows in the bytes is the next message.
    case end
    case invalid(HTTP1Fault)
  }

  private enum State: UInt8 {
    case sizeStart, size, sizeLineFeed
    case extensionStart, extensionName, valueStart, value, quoted, quotedPair, quoteEnd
    case data, dataCarriageReturn, dataLineFeed
    case trailerStart, trailerName, trailerValue, trailerLineFeed, lastLineFeed
    case end, failed
  }

  private var state = State.sizeStart
  private var remaining = 0
  private var sizeDigits = 0
  private var extensionBytes = 0
  private var trailerBytes = 0
  private let extensionLimit: Int32
  private let trailerLimit: Int32
  private var fault: StaticString = ""
  private var isOverLimit = false

  /// - Parameters:
  ///   - extensionLimit: bytes of extensions in the body
  ///   - trailerLimit: bytes of trailers
  package init(
    extensionLimit: Int = Self.extensionLimit, trailerLimit: Int = Self.trailerLimit
  ) {
    self.extensionLimit = Int32(clamping: extensionLimit)
    self.trailerLimit = Int32(clamping: trailerLimit)
  }

  /// The last chunk has come; only trailers and the last line end may follow.
  var isInTrailers: Bool {
    switch state {
    case .trailerStart, .trailerName, .trailerValue, .trailerLineFeed, .lastLineFeed: true
    default: false
    }
  }

  /// The body is whole.
  package var isComplete: Bool { state == .end }

  /// Reads on until there is payload, the end or nothing left.
  /// - Parameter position: in `bytes`: where to read on; moved past what was read
  package mutating func decode(_ bytes: UnsafeRawBufferPointer, from position: inout Int) -> Step {
    guard let base = bytes.baseAddress else { return state == .end ? .end : .needMore }
    while true {
      if state == .end { return .end }
      if state == .failed { return invalid }
      guard position < bytes.count else { return .needMore }
      if state == .data { return takeData(bytes.count, &position) }
      take(base.load(fromByteOffset: position, as: UInt8.self))
      position &+= 1
    }
  }

  private mutating func takeData(_ count: Int, _ position: inout Int) -> Step {
    let start = position
    let length = min(remaining, count &- position)
    position &+= length
    remaining &-= length
    if remaining == 0 { state = .dataCarriageReturn }
    return .payload(start..<position)
  }

  @inline(__always)
  private mutating func take(_ byte: UInt8) {
    switch state {
    case .sizeStart, .size: takeSize(byte)
    case .extensionStart, .extensionName, .valueStart, .value, .quoted, .quotedPair, .quoteEnd:
      takeExtension(byte)
    case .sizeLineFeed:
      let next: State = remaining == 0 ? .trailerStart : .data
      expect(byte, 0x0A, then: next, "a chunk's size line does not end with CR LF")
    case .dataCarriageReturn: expect(byte, 0x0D, then: .dataLineFeed, "a chunk is longer than its size")
    case .dataLineFeed: expect(byte, 0x0A, then: .sizeStart, "a chunk does not end with CR LF")
    case .trailerStart, .trailerName, .trailerValue: takeTrailer(byte)
    case .trailerLineFeed: expect(byte, 0x0A, then: .trailerStart, "a trailer does not end with CR LF")
    case .lastLineFeed: expect(byte, 0x0A, then: .end, "the body does not end with CR LF")
    case .data, .end, .failed: break
    }
  }

  private mutating func takeSize(_ byte: UInt8) {
    let digit: Int
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = Int(byte &- UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = Int(byte &- UInt8(ascii: "a")) &+ 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = Int(byte &- UInt8(ascii: "A")) &+ 10
    case 0x0D where state == .size:
      state = .sizeLineFeed
      return
    case UInt8(ascii: ";") where state == .size:
      state = .extensionStart
      return
    default: return fail("a chunk's size is malformed")
    }
    if state == .sizeStart {
      remaining = 0
      sizeDigits = 0
      state = .size
    }
    sizeDigits &+= 1
    guard sizeDigits <= Self.sizeDigitLimit else { return fail("a chunk's size is too large") }
    remaining = remaining &* 16 &+ digit
  }

  /// `;name`, `;name=token` or `;name="quoted"`, several in a row.
  private mutating func takeExtension(_ byte: UInt8) {
    extensionBytes &+= 1
    guard extensionBytes <= Int(extensionLimit) else {
      return fail("more chunk extensions than the limit", isOverLimit: true)
    }
    let isToken = HTTP1Characters.isToken(byte)
    let isText = (byte >= 0x20 && byte != 0x7F) || byte == 0x09
    switch (state, byte) {
    case (.extensionStart, _) where isToken: state = .extensionName
    case (.extensionName, _) where isToken: break
    case (.extensionName, UInt8(ascii: "=")): state = .valueStart
    case (.valueStart, UInt8(ascii: "\"")): state = .quoted
    case (.valueStart, _) where isToken: state = .value
    case (.value, _) where isToken: break
    case (.quoted, UInt8(ascii: "\"")): state = .quoteEnd
    case (.quoted, UInt8(ascii: "\\")): state = .quotedPair
    case (.quoted, _) where isText: break
    case (.quotedPair, _) where isText: state = .quoted
    case (.extensionName, UInt8(ascii: ";")), (.value, UInt8(ascii: ";")), (.quoteEnd, UInt8(ascii: ";")):
      state = .extensionStart
    case (.extensionName, 0x0D), (.value, 0x0D), (.quoteEnd, 0x0D): state = .sizeLineFeed
    default: fail("a chunk's extension is malformed")
    }
  }

  private mutating func takeTrailer(_ byte: UInt8) {
    trailerBytes &+= 1
    guard trailerBytes <= Int(trailerLimit) else {
      return fail("more trailers than the limit", isOverLimit: true)
    }
    switch state {
    case .trailerStart where byte == 0x0D: state = .lastLineFeed
    case .trailerStart where HTTP1Characters.isToken(byte): state = .trailerName
    case .trailerName where HTTP1Characters.isToken(byte): break
    case .trailerName where byte == UInt8(ascii: ":"): state = .trailerValue
    case .trailerValue where byte == 0x0D: state = .trailerLineFeed
    case .trailerValue where (byte >= 0x20 && byte != 0x7F) || byte == 0x09: break
    default: fail("a trailer is malformed")
    }
  }

  @inline(__always)
  private mutating func expect(_ byte: UInt8, _ wanted: UInt8, then next: State, _ reason: StaticString) {
    if byte == wanted { state = next } else { fail(reason) }
  }

  @inline(never)
  private mutating func fail(_ reason: StaticString, isOverLimit: Bool = false) {
    state = .failed
    fault = reason
    self.isOverLimit = isOverLimit
  }

  private var invalid: Step {
    .invalid(HTTP1Fault(kind: isOverLimit ? .tooLarge : .malformed, reason: fault))
  }
}
