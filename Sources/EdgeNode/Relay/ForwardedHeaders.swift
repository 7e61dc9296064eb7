// Which fields of a head go on to the other side, and which the edge sets itself. Unknown fields pass untouched; fields
// of one hop, credentials, the client's address and the provider's account do not.

import Glibc
import StraitProtocol

package enum ForwardedHeaders {
  /// The head for an upstream.
  /// - Parameters:
  ///   - query: from the question mark on, or empty
  ///   - bodyCount: bytes of the body as the upstream will get it; nil where that is not known yet
  static func writeRequest(
    _ request: borrowing HeaderBlock, to upstream: UpstreamEntry, path: StaticString,
    query: UnsafeRawBufferPointer,
    bodyCount: Int?, into head: borrowing HeaderBlock
  ) {
    head.removeAll()
    head.append(.method, ":method", "POST")
    head.append(.scheme, ":scheme", upstream.origin.isSecure ? "https" : "http")
    upstream.origin.authority.withUnsafeBytes { head.append(.authority, ":authority", $0) }
    appendPath(upstream, path, query, into: head)
    let nominations = request.index(of: .connection)
    var index = 0
    while index < request.count {
      if mayPass(request: request[index].name), !isNominated(index, in: request, from: nominations) {
        head.append(request[index].name, request.nameBytes(index), request.valueBytes(index))
      }
      index += 1
    }
    head.append(.acceptEncoding, "accept-encoding", "identity")
    if let bodyCount { head.append(.contentLength, "content-length", number: bodyCount) }
    appendCredential(upstream, into: head)
  }

  /// The fields of an upstream's answer that go on to the client.
  /// - Parameter keepsLength: the body goes on with the length that the upstream gave
  package static func appendAnswer(
    _ answer: borrowing HeaderBlock, keepsLength: Bool, into head: borrowing HeaderBlock
  ) {
    let nominations = answer.index(of: .connection)
    var index = 0
    while index < answer.count {
      let name = answer[index].name
      if mayPass(answer: name) || (keepsLength && name == .contentLength),
        !isNominated(index, in: answer, from: nominations)
      {
        head.append(name, answer.nameBytes(index), answer.valueBytes(index))
      }
      index += 1
    }
  }

  /// Trailers that go on: none that frames, routes or authenticates (RFC 9110, section 6.5.1).
  static func appendTrailers(_ trailers: borrowing HeaderBlock, into block: borrowing HeaderBlock) {
    for index in 0..<trailers.count where trailers[index].name == .other {
      guard trailers.nameBytes(index).first != UInt8(ascii: ":") else { continue }
      block.append(.other, trailers.nameBytes(index), trailers.valueBytes(index))
    }
  }

  /// Leaves the trailers in the block that go on, to a client or to an upstream.
  static func removeForbidden(trailers: borrowing HeaderBlock) {
    let allowed = HeaderBlock()
    appendTrailers(trailers, into: allowed)
    trailers.exchange(with: allowed)
  }

  private static func mayPass(request name: HeaderName) -> Bool {
    switch name {
    case .other, .anthropicVersion, .contentType, .date, .via, .xRequestID: true
    default: false
    }
  }

  private static func mayPass(answer name: HeaderName) -> Bool {
    switch name {
    case .other, .contentEncoding, .contentType, .date, .retryAfter, .server, .via, .anthropicVersion: true
    default: false
    }
  }

  /// Whether a `connection` field, of which there may be several, names the field as one of this hop (RFC 9110, section
  /// 7.6.1).
  /// - Parameter first: the first such field
  @inline(__always)
  private static func isNominated(_ index: Int, in block: borrowing HeaderBlock, from first: Int?) -> Bool {
    guard let first else { return false }
    return isNamed(index, in: block, from: first)
  }

  private static func isNamed(_ index: Int, in block: borrowing HeaderBlock, from first: Int) -> Bool {
    for other in first..<block.count where block[other].name == .connection {
      if isListed(block.nameBytes(index), block.valueBytes(other)) { return true }
    }
    return false
  }

  private static func isListed(_ name: UnsafeRawBufferPointer, _ list: UnsafeRawBufferPointer) -> Bool {
    var start = 0
    while start < list.count {
      var end = start
      while end < list.count, list[end] != UInt8(ascii: ",") { end += 1 }
      if trimmed(list, start, end).equalsIgnoringCase(name) { return true }
      start = end + 1
    }
    return false
  }

  private static func appendPath(
    _ upstream: UpstreamEntry, _ path: StaticString, _ query: UnsafeRawBufferPointer,
    into head: borrowing HeaderBlock
  ) {
    if upstream.pathPrefix.isEmpty, query.isEmpty {
      head.append(.path, ":path", path)
      return
    }
    let count = upstream.pathPrefix.count + path.utf8CodeUnitCount + query.count
    withUnsafeTemporaryAllocation(byteCount: count, alignment: 1) { space in
      space.copyBytes(from: upstream.pathPrefix)
      let middle = UnsafeMutableRawBufferPointer(rebasing: space[upstream.pathPrefix.count...])
      middle.copyMemory(from: UnsafeRawBufferPointer(path))
      UnsafeMutableRawBufferPointer(rebasing: middle[path.utf8CodeUnitCount...]).copyMemory(from: query)
      head.append(.path, ":path", UnsafeRawBufferPointer(space))
    }
  }

  private static func appendCredential(_ upstream: UpstreamEntry, into head: borrowing HeaderBlock) {
    switch upstream.credentialStyle {
    case .bearer:
      upstream.credentialValue.bytes.withUnsafeBytes { head.append(.authorization, "authorization", $0) }
    case .apiKey:
      upstream.credentialValue.bytes.withUnsafeBytes { head.append(.xAPIKey, "x-api-key", $0) }
    default: break
    }
  }
}

/// The part of the bytes between two positions without spaces and tabs at its ends.
func trimmed(_ bytes: UnsafeRawBufferPointer, _ start: Int, _ end: Int) -> UnsafeRawBufferPointer {
  var first = start
  var last = end
  while first < last, bytes[first] == 0x20 || bytes[first] == 0x09 { first += 1 }
  while last > first, bytes[last - 1] == 0x20 || bytes[last - 1] == 0x09 { last -= 1 }
  return UnsafeRawBufferPointer(rebasing: bytes[first..<last])
}

extension UnsafeRawBufferPointer {
  fileprivate func equalsIgnoringCase(_ other: UnsafeRawBufferPointer) -> Bool {
    guard count == other.count else { return false }
    for index in 0..<count where asciiLowercase(self[index]) != asciiLowercase(other[index]) { return false }
    return true
  }
}
