// What nghttp2 lets pass in a request's head and HTTP/1.1 would not: the same request must mean the same to an upstream of
// either protocol (RFC 9113, sections 8.3.1 and 10.3).

enum HTTP2RequestRules {
  static func allow(_ head: borrowing HeaderBlock) -> Bool {
    guard let path = head.value(.path), path.first == UInt8(ascii: "/"), path.allSatisfy(isInTarget) else {
      return false
    }
    return allowAuthority(head)
  }

  /// Visible ASCII, and no fragment.
  private static func isInTarget(_ byte: UInt8) -> Bool {
    byte > 0x20 && byte < 0x7F && byte != UInt8(ascii: "#")
  }

  /// `host` may stand beside `:authority` once, if it says the same.
  private static func allowAuthority(_ head: borrowing HeaderBlock) -> Bool {
    var authority: UnsafeRawBufferPointer?
    var hasHost = false
    for index in 0..<head.count {
      let isHost = head[index].name == .host
      guard isHost || head[index].name == .authority else { continue }
      let value = head.valueBytes(index)
      guard !value.isEmpty, value.allSatisfy(HTTP1Characters.isHost), !(isHost && hasHost) else {
        return false
      }
      hasHost = hasHost || isHost
      if let authority, !isSame(authority, value) { return false }
      authority = value
    }
    return authority != nil
  }

  private static func isSame(_ left: UnsafeRawBufferPointer, _ right: UnsafeRawBufferPointer) -> Bool {
    guard left.count == right.count else { return false }
    for index in 0..<left.count where asciiLowercase(left[index]) != asciiLowercase(right[index]) {
      return false
    }
    return true
  }
}
