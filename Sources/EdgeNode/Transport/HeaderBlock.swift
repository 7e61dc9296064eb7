// The head of a request or an answer, whatever protocol it came in: fields in order, names in lower case, all bytes in
// one block. Names that the edge acts upon are recognised once, when a field is added.

import CLinux
import Glibc

/// Names that the edge acts upon; everything else passes as `other`.
package enum HeaderName: UInt8, Sendable, BitwiseCopyable {
  case other
  case method, scheme, authority, path, status
  case acceptEncoding, altSvc, anthropicOrganizationID, anthropicVersion, authorization, connection
  case contentEncoding, contentLength
  case contentType, cookie, date, expect, forwarded, host, keepAlive, openAIOrganization, openAIProject,
    proxyAuthenticate
  case proxyAuthorization, proxyConnection, requestID, retryAfter, server, setCookie, strictTransportSecurity,
    te
  case trailer, transferEncoding, upgrade, via, xAPIKey, xForwardedFor, xForwardedHost, xForwardedProto,
    xRealIP
  case xRequestID, xStrait

  /// - Parameter name: in lower case
  package init(_ name: UnsafeRawBufferPointer) {
    self = Self.recognise(name)
  }

  private static func recognise(_ name: UnsafeRawBufferPointer) -> HeaderName {
    if name.first == UInt8(ascii: "x"), name.starts(with: "x-strait-") { return .xStrait }
    return recogniseByLength(name)
  }

  private static func recogniseByLength(_ name: UnsafeRawBufferPointer) -> HeaderName {
    switch name.count {
    case 2: name.equals("te") ? .te : .other
    case 3: name.equals("via") ? .via : .other
    case 4: name.equals("host") ? .host : name.equals("date") ? .date : .other
    case 5: name.equals(":path") ? .path : .other
    case 6:
      name.equals("cookie")
        ? .cookie : name.equals("expect") ? .expect : name.equals("server") ? .server : .other
    case 7:
      name.equals(":method")
        ? .method
        : name.equals(":scheme")
          ? .scheme
          : name.equals(":status")
            ? .status
            : name.equals("upgrade")
              ? .upgrade
              : name.equals("trailer")
                ? .trailer
                : name.equals("alt-svc") ? .altSvc : .other
    case 9:
      name.equals("x-api-key")
        ? .xAPIKey
        : name.equals("forwarded")
          ? .forwarded
          : name.equals("x-real-ip") ? .xRealIP : .other
    case 10: recogniseTen(name)
    case 11: name.equals("retry-after") ? .retryAfter : .other
    case 12: name.equals("content-type") ? .contentType : name.equals("x-request-id") ? .xRequestID : .other
    case 13: name.equals("authorization") ? .authorization : .other
    case 14:
      name.equals("content-length") ? .contentLength : name.equals("openai-project") ? .openAIProject : .other
    case 15:
      name.equals("accept-encoding")
        ? .acceptEncoding : name.equals("x-forwarded-for") ? .xForwardedFor : .other
    case 16:
      name.equals("proxy-connection")
        ? .proxyConnection
        : name.equals("content-encoding")
          ? .contentEncoding : name.equals("x-forwarded-host") ? .xForwardedHost : .other
    default: recogniseLong(name)
    }
  }

  private static func recogniseTen(_ name: UnsafeRawBufferPointer) -> HeaderName {
    if name.equals(":authority") { return .authority }
    if name.equals("connection") { return .connection }
    if name.equals("keep-alive") { return .keepAlive }
    if name.equals("set-cookie") { return .setCookie }
    return name.equals("request-id") ? .requestID : .other
  }

  private static func recogniseLong(_ name: UnsafeRawBufferPointer) -> HeaderName {
    switch name.count {
    case 17:
      return name.equals("transfer-encoding")
        ? .transferEncoding
        : name.equals("x-forwarded-proto")
          ? .xForwardedProto : name.equals("anthropic-version") ? .anthropicVersion : .other
    case 18: return name.equals("proxy-authenticate") ? .proxyAuthenticate : .other
    case 19:
      return name.equals("proxy-authorization")
        ? .proxyAuthorization
        : name.equals("openai-organization") ? .openAIOrganization : .other
    case 25:
      return name.equals("strict-transport-security")
        ? .strictTransportSecurity
        : name.equals("anthropic-organization-id") ? .anthropicOrganizationID : .other
    default: return .other
    }
  }
}

package struct HeaderField: BitwiseCopyable {
  package fileprivate(set) var name: HeaderName
  /// The value changes with every exchange, so a compressor should not remember it.
  package let unique: Bool
  fileprivate let start: UInt32
  fileprivate let nameCount: UInt32
  fileprivate let valueCount: UInt32
}

/// As a `ByteQueue`, it keeps its state behind a pointer, so that a class can hold it as a constant.
package struct HeaderBlock: ~Copyable {
  struct State: BitwiseCopyable {
    /// One block of memory: the fields, and behind the last that has room there, names and values in a row.
    fileprivate var block: UnsafeMutableRawPointer?
    fileprivate var fieldCapacity = 0
    fileprivate var count = 0
    fileprivate var byteCapacity = 0
    fileprivate var used = 0

    fileprivate var fields: UnsafeMutablePointer<HeaderField>? {
      block?.assumingMemoryBound(to: HeaderField.self)
    }
    fileprivate var bytes: UnsafeMutableRawPointer? {
      block.map { $0 + fieldCapacity &* MemoryLayout<HeaderField>.stride }
    }
    fileprivate var blockBytes: Int { fieldCapacity &* MemoryLayout<HeaderField>.stride &+ byteCapacity }
  }

  /// Most heads fit into a block of 1,016 bytes.
  private static let usualFields = 15
  private static let usualBytes = 776

  /// Pointers from `nameBytes` and `valueBytes` stay valid until a field is added or the block is cleared.
  private let state: UnsafeMutablePointer<State>
  private let ownsState: Bool

  package init() {
    state = takeFromPool(MemoryLayout<State>.size).bindMemory(to: State.self, capacity: 1)
    state.initialize(to: State())
    ownsState = true
  }

  /// A head whose state is part of a larger block of memory. Whoever owns that releases the head first.
  init(at space: UnsafeMutablePointer<State>) {
    state = space
    state.initialize(to: State())
    ownsState = false
  }

  deinit {
    guard ownsState else { return }
    giveMemoryBack()
    strait_pool_give_sized(state, MemoryLayout<State>.size)
  }

  package var count: Int { state.pointee.count }

  package subscript(index: Int) -> HeaderField {
    precondition(index < count)
    return state.pointee.fields.unsafelyUnwrapped[index]
  }

  /// Calls `body` with each field: its place, name, value, and whether the value is unique. The block must not change
  /// meanwhile.
  @inline(__always)
  func forEachField(_ body: (Int, UnsafeRawBufferPointer, UnsafeRawBufferPointer, Bool) -> Void) {
    guard let fields = state.pointee.fields, let bytes = state.pointee.bytes else { return }
    for index in 0..<state.pointee.count {
      let field = fields[index]
      let name = bytes + Int(field.start)
      body(
        index, UnsafeRawBufferPointer(start: name, count: Int(field.nameCount)),
        UnsafeRawBufferPointer(start: name + Int(field.nameCount), count: Int(field.valueCount)), field.unique
      )
    }
  }

  /// What the fields take by the measure of RFC 9113, section 6.5.2: name + value + 32 each.
  package var listSize: Int { state.pointee.used + 32 * count }

  package func nameBytes(_ index: Int) -> UnsafeRawBufferPointer {
    let field = self[index]
    return slice(field.start, field.nameCount)
  }

  package func valueBytes(_ index: Int) -> UnsafeRawBufferPointer {
    let field = self[index]
    return slice(field.start + field.nameCount, field.valueCount)
  }

  /// The first value of a name; nil where the field is absent.
  package func value(_ name: HeaderName) -> UnsafeRawBufferPointer? {
    guard let index = index(of: name) else { return nil }
    return valueBytes(index)
  }

  package func index(of name: HeaderName) -> Int? {
    guard let fields = state.pointee.fields else { return nil }
    for index in 0..<count where fields[index].name == name { return index }
    return nil
  }

  package func append(
    _ kind: HeaderName, _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, unique: Bool = false
  ) {
    let length = name.count + value.count
    if state.pointee.count == state.pointee.fieldCapacity
      || state.pointee.byteCapacity - state.pointee.used < length
    {
      grow(length)
    }
    let now = state.pointee
    if let space = now.bytes {
      if let source = name.baseAddress { (space + now.used).copyMemory(from: source, byteCount: name.count) }
      if let source = value.baseAddress {
        (space + now.used + name.count).copyMemory(from: source, byteCount: value.count)
      }
    }
    now.fields.unsafelyUnwrapped[now.count] = HeaderField(
      name: kind, unique: unique, start: UInt32(truncatingIfNeeded: now.used),
      nameCount: UInt32(truncatingIfNeeded: name.count), valueCount: UInt32(truncatingIfNeeded: value.count))
    state.pointee.count = now.count &+ 1
    state.pointee.used = now.used &+ length
  }

  package func append(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    append(HeaderName(name), name, value)
  }

  /// A name that may have upper-case letters; the block has them in lower case.
  package func append(anyCase name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    let index = count
    append(.other, name, value)
    guard let place = state.pointee.fields.map({ $0 + index }), let bytes = state.pointee.bytes else {
      return
    }
    let own = UnsafeMutableRawBufferPointer(start: bytes + Int(place.pointee.start), count: name.count)
    lowercaseASCII(own)
    place.pointee.name = HeaderName(UnsafeRawBufferPointer(own))
  }

  package func append(_ kind: HeaderName, _ name: StaticString, _ value: UnsafeRawBufferPointer) {
    append(kind, UnsafeRawBufferPointer(name), value)
  }

  package func append(_ kind: HeaderName, _ name: StaticString, _ value: StaticString) {
    append(kind, UnsafeRawBufferPointer(name), UnsafeRawBufferPointer(value))
  }

  /// A number in decimal.
  package func append(_ kind: HeaderName, _ name: StaticString, number: Int) {
    withDecimal(number) { append(kind, UnsafeRawBufferPointer(name), $0) }
  }

  package func append(_ kind: HeaderName, _ name: StaticString, unique value: UnsafeRawBufferPointer) {
    append(kind, UnsafeRawBufferPointer(name), value, unique: true)
  }

  package func removeAll() {
    state.pointee.count = 0
    if let bytes = state.pointee.bytes { strait_cleanse(bytes, state.pointee.used) }
    state.pointee.used = 0
  }

  /// Has the fields' bytes fetched, which will be used soon.
  func prefetch() {
    strait_prefetch(state.pointee.block, 1)
    strait_prefetch(state.pointee.bytes, state.pointee.used)
  }

  /// The two blocks change places.
  package func exchange(with other: borrowing HeaderBlock) {
    let mine = state.pointee
    state.pointee = other.state.pointee
    other.state.pointee = mine
  }

  /// Gives the memory back, cleansed; the block is empty and usable afterwards.
  package func release() {
    giveMemoryBack()
    state.pointee = State()
  }

  private func giveMemoryBack() {
    let now = state.pointee
    guard let block = now.block, let bytes = now.bytes else { return }
    strait_cleanse(bytes, now.used)
    strait_pool_give_sized(block, now.blockBytes)
  }

  private func slice(_ start: UInt32, _ length: UInt32) -> UnsafeRawBufferPointer {
    precondition(Int(start) + Int(length) <= state.pointee.used)
    return UnsafeRawBufferPointer(start: state.pointee.bytes.map { $0 + Int(start) }, count: Int(length))
  }

  /// Makes room for another field of so many bytes.
  @inline(never)
  private func grow(_ length: Int) {
    let now = state.pointee
    var larger = now
    if now.count == now.fieldCapacity { larger.fieldCapacity = max(Self.usualFields, now.fieldCapacity * 2) }
    if now.byteCapacity - now.used < length {
      larger.byteCapacity = max(Self.usualBytes, now.byteCapacity * 2, now.used + length)
    }
    larger.block = takeFromPool(larger.blockBytes)
    if let fields = now.fields, let bytes = now.bytes {
      larger.fields?.initialize(from: fields, count: now.count)
      larger.bytes?.copyMemory(from: bytes, byteCount: now.used)
    }
    giveMemoryBack()
    state.pointee = larger
  }
}

/// Calls `body` with the decimal digits of a number that is not negative.
@inline(__always)
package func withDecimal<Result>(_ number: Int, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
  withUnsafeTemporaryAllocation(byteCount: 20, alignment: 1) { space in
    var index = 20
    var rest = UInt(max(0, number))
    repeat {
      index -= 1
      space[index] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
    } while rest > 0
    return body(UnsafeRawBufferPointer(rebasing: space[index...]))
  }
}

extension UnsafeRawBufferPointer {
  package init(_ text: StaticString) {
    self.init(start: text.utf8Start, count: text.utf8CodeUnitCount)
  }

  @inline(__always)
  package func equals(_ text: StaticString) -> Bool {
    guard count == text.utf8CodeUnitCount, let baseAddress else { return count == text.utf8CodeUnitCount }
    return memcmp(baseAddress, text.utf8Start, count) == 0
  }

  package func starts(with text: StaticString) -> Bool {
    guard count >= text.utf8CodeUnitCount, let baseAddress else { return text.utf8CodeUnitCount == 0 }
    return memcmp(baseAddress, text.utf8Start, text.utf8CodeUnitCount) == 0
  }

  /// Whether the bytes are the text when ASCII letters count alike in both cases.
  /// - Parameter text: in lower case
  package func equalsIgnoringCase(_ text: StaticString) -> Bool {
    guard count == text.utf8CodeUnitCount else { return false }
    for index in 0..<count where asciiLowercase(self[index]) != text.utf8Start[index] { return false }
    return true
  }

  /// The decimal number that the bytes spell; nil for anything else, also for signs and for more than 18 digits.
  package var decimal: Int? {
    guard count > 0, count <= 18 else { return nil }
    var number = 0
    for byte in self {
      guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
      number = number * 10 + Int(byte - UInt8(ascii: "0"))
    }
    return number
  }
}

/// Eight letters at a time, without a branch.
private func lowercaseASCII(_ bytes: UnsafeMutableRawBufferPointer) {
  let ones: UInt64 = 0x0101_0101_0101_0101
  var offset = 0
  while offset &+ 8 <= bytes.count {
    let word = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
    // The top bit of each byte tells: of the first sum that it is "A" or beyond, of the second that it is beyond "Z".
    let low = word & (ones &* 0x7F)
    let fromA = low &+ (ones &* (0x80 - 0x41))
    let beyondZ = low &+ (ones &* (0x7F - 0x5A))
    let isUpper = (fromA ^ beyondZ) & ~word & (ones &* 0x80)
    bytes.storeBytes(of: word | isUpper >> 2, toByteOffset: offset, as: UInt64.self)
    offset &+= 8
  }
  while offset < bytes.count {
    bytes[offset] = asciiLowercase(bytes[offset])
    offset &+= 1
  }
}

@inline(__always)
package func asciiLowercase(_ byte: UInt8) -> UInt8 {
  byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z") ? byte | 0x20 : byte
}
