// What an answer's head, or its trailers, may say over HTTP/2 (RFC 9113, sections 8.1 to 8.3). What breaks a rule is no
// answer, and costs its stream.

package struct AnswerHeadRules: BitwiseCopyable {
  package enum Verdict {
    case take
    /// Harmless, and not to be passed on.
    case leaveOut
    case refuse
  }

  private let isTrailers: Bool
  private var hasRegularFields = false
  /// 0 until the head has said it, and for trailers.
  package private(set) var status = 0
  private var contentLength = -1

  package init(trailers: Bool) {
    isTrailers = trailers
  }

  package mutating func judge(
    _ kind: HeaderName, _ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer
  ) -> Verdict {
    if name.first == UInt8(ascii: ":") { return takeStatus(kind, value) ? .take : .refuse }
    hasRegularFields = true
    guard isTrailers || status != 0, isValid(value) else { return .refuse }
    switch kind {
    case .other, .xStrait: return isValid(name: name) ? .take : .refuse
    case .contentLength: return takeLength(value)
    case .connection, .keepAlive, .proxyConnection, .transferEncoding, .upgrade: return .refuse
    case .te: return value.equalsIgnoringCase("trailers") ? .take : .refuse
    // Names that are known are valid.
    default: return .take
    }
  }

  /// The block is whole.
  /// - Parameter ends: the stream ends with it
  package func allowsEnd(_ ends: Bool) -> Bool {
    if isTrailers { return ends }
    return status != 0 && !(ends && (isInformation || bodyLength > 0))
  }

  package var isInformation: Bool { status < 200 }

  /// How many bytes the body must have; -1 where any will do. No request goes out whose answer's length would be another
  /// one's.
  package var bodyLength: Int { status == 204 || status == 304 ? 0 : contentLength }

  /// RFC 9113, section 8.6, knows no 101.
  private mutating func takeStatus(_ kind: HeaderName, _ value: UnsafeRawBufferPointer) -> Bool {
    guard kind == .status, status == 0, !isTrailers, !hasRegularFields, value.count == 3,
      let number = value.decimal, number >= 100, number != 101
    else { return false }
    status = number
    return true
  }

  private mutating func takeLength(_ value: UnsafeRawBufferPointer) -> Verdict {
    guard !isTrailers, !isInformation, contentLength < 0, let length = value.decimal else { return .refuse }
    contentLength = length
    // There is nothing to say of a length here (RFC 9110, section 8.6), but it is true.
    if status == 204 { return length == 0 ? .leaveOut : .refuse }
    return .take
  }

  private func isValid(name: UnsafeRawBufferPointer) -> Bool {
    for byte in name {
      guard HTTP1Characters.isToken(byte), byte == asciiLowercase(byte) else { return false }
    }
    return !name.isEmpty
  }

  /// No controls, and no space at its ends.
  private func isValid(_ value: UnsafeRawBufferPointer) -> Bool {
    guard let first = value.first, let last = value.last, let start = value.baseAddress else { return true }
    return first != 0x20 && first != 0x09 && last != 0x20 && last != 0x09
      && HTTP1Characters.valueLength(start, value.count) == value.count
  }
}
