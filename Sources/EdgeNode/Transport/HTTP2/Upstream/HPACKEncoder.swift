// Header blocks for upstreams (RFC 7541), without a dynamic table: each is complete in itself, nothing that a client or an
// operator has said stays in a table on either side, and what a peer allows of its table never matters.

package enum HPACKEncoder {
  /// A block of the head is no longer than this.
  package static func mostBytes(_ head: borrowing HeaderBlock) -> Int {
    // A field takes at most seven bytes for its name's place and length, and six for its value's length.
    head.listSize + 1
  }

  /// - Parameters:
  ///   - emptiesTable: begins by saying that no table is used, as is due once where the peer allows less than the
  ///     protocol's own size of it (RFC 7541, section 4.2)
  ///   - start: has room for `mostBytes`
  /// - Returns: the block's length
  package static func write(
    _ head: borrowing HeaderBlock, emptiesTable: Bool, to start: UnsafeMutableRawPointer
  ) -> Int {
    var end = start
    if emptiesTable { put(0x20, &end) }
    var index = 0
    let count = head.count
    while index < count {
      write(head[index].name, head.nameBytes(index), head.valueBytes(index), &end)
      index &+= 1
    }
    return end - start
  }

  @inline(__always)
  private static func write(
    _ kind: HeaderName, _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer,
    _ end: inout UnsafeMutableRawPointer
  ) {
    if let whole = wholeField(kind, value) { return put(0x80 | whole, &end) }
    // Without indexing, or such as no one on the way may index either.
    let first: UInt8 = isSecret(kind, name) ? 0x10 : 0
    let place = placeOfName(kind, name)
    if place < 15 {
      put(first | place, &end)
    } else {
      put(first | 15, &end)
      put(place &- 15, &end)
    }
    if place == 0 { writeText(name, &end) }
    writeText(value, &end)
  }

  /// The place of a name and its value together in the static table.
  private static func wholeField(_ kind: HeaderName, _ value: UnsafeRawBufferPointer) -> UInt8? {
    switch kind {
    case .method: value.equals("POST") ? 3 : value.equals("GET") ? 2 : nil
    case .scheme: value.equals("https") ? 7 : value.equals("http") ? 6 : nil
    default: nil
    }
  }

  private static func isSecret(_ kind: HeaderName, _ name: UnsafeRawBufferPointer) -> Bool {
    switch kind {
    case .authorization, .cookie, .proxyAuthorization, .xAPIKey: true
    case .other: name.equals("api-key")
    default: false
    }
  }

  /// A name's place in the static table (RFC 7541, appendix A), of those that a request has; 0 for none.
  private static func placeOfName(_ kind: HeaderName, _ name: UnsafeRawBufferPointer) -> UInt8 {
    switch kind {
    case .authority: 1
    case .method: 2
    case .path: 4
    case .scheme: 6
    case .acceptEncoding: 16
    case .authorization: 23
    case .contentEncoding: 26
    case .contentLength: 28
    case .contentType: 31
    case .cookie: 32
    case .date: 33
    case .expect: 35
    case .proxyAuthorization: 49
    case .via: 60
    case .other: placeOfOtherName(name)
    default: 0
    }
  }

  private static func placeOfOtherName(_ name: UnsafeRawBufferPointer) -> UInt8 {
    switch name.count {
    case 6: name.equals("accept") ? 19 : 0
    case 7: name.equals("referer") ? 51 : 0
    case 10: name.equals("user-agent") ? 58 : 0
    case 13: name.equals("cache-control") ? 24 : 0
    case 15: name.equals("accept-language") ? 17 : 0
    case 16: name.equals("content-language") ? 27 : 0
    default: 0
    }
  }

  /// A length and the bytes as they are.
  @inline(__always)
  private static func writeText(_ text: UnsafeRawBufferPointer, _ end: inout UnsafeMutableRawPointer) {
    if text.count < 127 {
      put(UInt8(truncatingIfNeeded: text.count), &end)
    } else {
      put(127, &end)
      var rest = text.count &- 127
      while rest >= 128 {
        put(UInt8(truncatingIfNeeded: rest) | 128, &end)
        rest >>= 7
      }
      put(UInt8(truncatingIfNeeded: rest), &end)
    }
    guard let source = text.baseAddress else { return }
    end.copyMemory(from: source, byteCount: text.count)
    end += text.count
  }

  @inline(__always)
  private static func put(_ byte: UInt8, _ end: inout UnsafeMutableRawPointer) {
    end.storeBytes(of: byte, as: UInt8.self)
    end += 1
  }
}
