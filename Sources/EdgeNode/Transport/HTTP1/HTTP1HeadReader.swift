// Reads the lines of a whole head. All bytes up to `end` are there, and every line ends with CR LF.

struct HTTP1HeadReader {
  private let bytes: UnsafeRawPointer
  private(set) var position: Int
  private let end: Int

  // What decides over framing; a second one of either is refused.
  private var contentLength: Int?
  private var isChunked = false
  private var hasHost = false
  private var saysClose = false
  private var saysKeepAlive = false

  init(bytes: UnsafeRawPointer, position: Int, end: Int) {
    self.bytes = bytes
    self.position = position
    self.end = end
  }

  @inline(__always)
  private func byte(_ index: Int) -> UInt8 { bytes.load(fromByteOffset: index, as: UInt8.self) }

  @inline(never)
  private func malformed(_ reason: StaticString) -> HTTP1Fault {
    HTTP1Fault(kind: .malformed, reason: reason)
  }

  // MARK: The first line

  mutating func readFirstLine(_ kind: HTTP1MessageKind, into head: inout HTTP1Head) -> HTTP1Fault? {
    kind == .request ? readRequestLine(into: &head) : readStatusLine(into: &head)
  }

  private mutating func readRequestLine(into head: inout HTTP1Head) -> HTTP1Fault? {
    let methodStart = position
    while position < end, HTTP1Characters.isToken(byte(position)) { position &+= 1 }
    head.method = methodStart..<position
    guard !head.method.isEmpty, position < end, byte(position) == 0x20 else {
      return malformed("the method is malformed")
    }
    position &+= 1
    let targetStart = position
    while position < end, HTTP1Characters.isTarget(byte(position)) { position &+= 1 }
    head.target = targetStart..<position
    guard !head.target.isEmpty, position < end, byte(position) == 0x20 else {
      return malformed("the request's target is malformed")
    }
    position &+= 1
    if let fault = readVersion(into: &head) { return fault }
    guard takeLineEnd() else { return malformed("the request line is malformed") }
    return readTarget(into: &head)
  }

  private mutating func readStatusLine(into head: inout HTTP1Head) -> HTTP1Fault? {
    if let fault = readVersion(into: &head) { return fault }
    guard end &- position >= 6, byte(position) == 0x20 else {
      return malformed("the status line is malformed")
    }
    for index in 1...3 {
      let digit = byte(position &+ index) &- UInt8(ascii: "0")
      guard digit < 10 else { return malformed("the status is malformed") }
      head.status = head.status &* 10 &+ Int(digit)
    }
    position &+= 4
    guard head.status >= 100, head.status < 600 else { return malformed("the status is out of range") }
    // The reason may be empty, and servers leave out the space before it then.
    if byte(position) == 0x20 { position &+= HTTP1Characters.valueLength(bytes + position, end &- position) }
    guard takeLineEnd() else { return malformed("the status line is malformed") }
    return nil
  }

  private mutating func readVersion(into head: inout HTTP1Head) -> HTTP1Fault? {
    guard end &- position >= 8, UnsafeRawBufferPointer(start: bytes + position, count: 5).equals("HTTP/")
    else {
      return malformed("the version is missing")
    }
    let major = byte(position &+ 5)
    let minor = byte(position &+ 7)
    guard major == UInt8(ascii: "1"), byte(position &+ 6) == UInt8(ascii: "."),
      minor == UInt8(ascii: "0") || minor == UInt8(ascii: "1")
    else { return HTTP1Fault(kind: .version, reason: "the version is neither HTTP/1.0 nor HTTP/1.1") }
    head.minorVersion = Int(minor &- UInt8(ascii: "0"))
    position &+= 8
    return nil
  }

  /// - Returns: whether CR LF stood there
  @inline(__always)
  private mutating func takeLineEnd() -> Bool {
    guard end &- position >= 2, byte(position) == 0x0D, byte(position &+ 1) == 0x0A else { return false }
    position &+= 2
    return true
  }

  /// A path, or a whole URL from which the path is taken. Other forms (`*`, `host:port`) are for methods that no edge has.
  private func readTarget(into head: inout HTTP1Head) -> HTTP1Fault? {
    if byte(head.target.lowerBound) == UInt8(ascii: "/") { return nil }
    let start = bytes + head.target.lowerBound
    let count = head.target.count
    let schemeLength: Int
    if count > 7, HTTP1Characters.isEqual(start, 7, ignoringCase: "http://") {
      schemeLength = 7
    } else if count > 8, HTTP1Characters.isEqual(start, 8, ignoringCase: "https://") {
      schemeLength = 8
    } else {
      return malformed("the request's target is no path")
    }
    let authorityStart = head.target.lowerBound &+ schemeLength
    var path = authorityStart
    while path < head.target.upperBound, HTTP1Characters.isHost(byte(path)) { path &+= 1 }
    guard path > authorityStart, path < head.target.upperBound, byte(path) == UInt8(ascii: "/") else {
      return malformed("the request's target has no path or a malformed authority")
    }
    head.targetAuthority = authorityStart..<path
    head.target = path..<head.target.upperBound
    return nil
  }

  // MARK: Fields

  mutating func readField(into head: inout HTTP1Head) -> HTTP1Fault? {
    let nameStart = position
    while position < end, HTTP1Characters.isToken(byte(position)) { position &+= 1 }
    let nameEnd = position
    guard nameEnd > nameStart else {
      let isFolded = position < end && (byte(position) == 0x20 || byte(position) == 0x09)
      return malformed(isFolded ? "a field is folded over lines" : "a field's name is malformed")
    }
    guard position < end, byte(position) == UInt8(ascii: ":") else {
      return malformed("a field's name is malformed")
    }
    position &+= 1
    while position < end, byte(position) == 0x20 || byte(position) == 0x09 { position &+= 1 }
    let valueStart = position
    position &+= HTTP1Characters.valueLength(bytes + position, end &- position)
    var valueEnd = position
    while valueEnd > valueStart, byte(valueEnd &- 1) == 0x20 || byte(valueEnd &- 1) == 0x09 { valueEnd &-= 1 }
    guard takeLineEnd() else { return malformed("a field's value holds a control character") }
    guard head.append(nameStart: nameStart, nameEnd: nameEnd, valueStart: valueStart, valueEnd: valueEnd)
    else {
      return HTTP1Fault(kind: .tooLarge, reason: "more fields than the limit")
    }
    return note(nameStart, nameEnd &- nameStart, valueStart..<valueEnd, into: &head)
  }

  /// Takes notice of the fields that decide over the message's borders.
  @inline(__always)
  private mutating func note(
    _ nameStart: Int, _ nameCount: Int, _ value: Range<Int>, into head: inout HTTP1Head
  ) -> HTTP1Fault? {
    let name = bytes + nameStart
    switch nameCount {
    case 4:
      guard HTTP1Characters.isEqual(name, 4, ignoringCase: "host") else { return nil }
      if hasHost { return malformed("host stands there twice") }
      hasHost = true
      head.host = value
    case 6:
      guard HTTP1Characters.isEqual(name, 6, ignoringCase: "expect") else { return nil }
      if HTTP1Characters.isEqual(bytes + value.lowerBound, value.count, ignoringCase: "100-continue") {
        head.expectsContinue = head.minorVersion == 1
      }
    case 10:
      guard HTTP1Characters.isEqual(name, 10, ignoringCase: "connection") else { return nil }
      noteConnection(value)
    case 14:
      guard HTTP1Characters.isEqual(name, 14, ignoringCase: "content-length") else { return nil }
      return noteContentLength(value)
    case 17:
      guard HTTP1Characters.isEqual(name, 17, ignoringCase: "transfer-encoding") else { return nil }
      if isChunked { return malformed("transfer-encoding stands there twice") }
      guard HTTP1Characters.isEqual(bytes + value.lowerBound, value.count, ignoringCase: "chunked") else {
        return malformed("a transfer coding other than chunked")
      }
      // White space, but llhttp takes it for a part of the coding's name, and so may who reads after us.
      if hasTab(after: value.upperBound) { return malformed("a tab behind the transfer coding") }
      isChunked = true
    default: break
    }
    return nil
  }

  private func hasTab(after valueEnd: Int) -> Bool {
    var index = valueEnd
    while byte(index) == 0x20 { index &+= 1 }
    return byte(index) == 0x09
  }

  /// Digits only: no sign, no list, no second one even if it says the same.
  private mutating func noteContentLength(_ value: Range<Int>) -> HTTP1Fault? {
    if contentLength != nil { return malformed("content-length stands there twice") }
    guard value.count > 0, value.count <= 18 else { return malformed("content-length is malformed") }
    var length = 0
    for index in value {
      let digit = byte(index) &- UInt8(ascii: "0")
      guard digit < 10 else { return malformed("content-length is malformed") }
      length = length &* 10 &+ Int(digit)
    }
    contentLength = length
    return nil
  }

  private mutating func noteConnection(_ value: Range<Int>) {
    var start = value.lowerBound
    while start < value.upperBound {
      var stop = start
      while stop < value.upperBound, byte(stop) != UInt8(ascii: ",") { stop &+= 1 }
      var tokenEnd = stop
      while start < tokenEnd, byte(start) == 0x20 || byte(start) == 0x09 { start &+= 1 }
      while tokenEnd > start, byte(tokenEnd &- 1) == 0x20 || byte(tokenEnd &- 1) == 0x09 { tokenEnd &-= 1 }
      let count = tokenEnd &- start
      if HTTP1Characters.isEqual(bytes + start, count, ignoringCase: "close") { saysClose = true }
      if HTTP1Characters.isEqual(bytes + start, count, ignoringCase: "keep-alive") { saysKeepAlive = true }
      start = stop &+ 1
    }
  }

  // MARK: The whole head

  /// Decides over framing and the connection once all fields are known.
  func conclude(_ kind: HTTP1MessageKind, into head: inout HTTP1Head) -> HTTP1Fault? {
    head.keepAlive = !saysClose && (head.minorVersion == 1 || saysKeepAlive)
    if isChunked && contentLength != nil { return malformed("transfer-encoding and content-length together") }
    if isChunked && head.minorVersion == 0 { return malformed("transfer-encoding in HTTP/1.0") }
    if kind == .request { return concludeRequest(into: &head) }
    return concludeAnswer(kind, into: &head)
  }

  private func concludeRequest(into head: inout HTTP1Head) -> HTTP1Fault? {
    head.framing = isChunked ? .chunked : contentLength.map { .length($0) } ?? .none
    if !hasHost {
      return head.minorVersion == 1 || !head.targetAuthority.isEmpty ? malformed("host is missing") : nil
    }
    guard !head.host.isEmpty else { return malformed("host is empty") }
    for index in head.host where !HTTP1Characters.isHost(byte(index)) {
      return malformed("host is malformed")
    }
    if head.targetAuthority.isEmpty { return nil }
    guard isSameHost(head.targetAuthority, head.host) else {
      return malformed("the request's target and host disagree")
    }
    return nil
  }

  private func isSameHost(_ one: Range<Int>, _ other: Range<Int>) -> Bool {
    guard one.count == other.count else { return false }
    for index in 0..<one.count {
      let left = byte(one.lowerBound &+ index)
      let right = byte(other.lowerBound &+ index)
      let isLetter = left | 0x20 >= UInt8(ascii: "a") && left | 0x20 <= UInt8(ascii: "z")
      if left != right && !(isLetter && left ^ right == 0x20) { return false }
    }
    return true
  }

  private func concludeAnswer(_ kind: HTTP1MessageKind, into head: inout HTTP1Head) -> HTTP1Fault? {
    if head.status == 101 { return malformed("the protocol is switched, which nobody asked for") }
    if head.status < 200 || head.status == 204 {
      // Whoever frames a body here means something else by it than we do.
      if isChunked || (contentLength ?? 0) > 0 { return malformed("a body with a status that has none") }
      head.framing = .none
    } else if kind == .answerToHead || head.status == 304 {
      head.framing = .none
    } else if isChunked {
      head.framing = .chunked
    } else if let contentLength {
      head.framing = .length(contentLength)
    } else {
      head.framing = .untilClose
      head.keepAlive = false
    }
    return nil
  }
}
