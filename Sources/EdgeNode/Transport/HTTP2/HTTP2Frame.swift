// What frames begin with and which numbers they carry (RFC 9113, sections 4, 6 and 7).

/// A frame's header (RFC 9113, section 4.1).
package struct HTTP2FrameHeader: BitwiseCopyable, Equatable {
  package let type: UInt8
  package let flags: UInt8
  package let length: Int
  package let streamID: Int32

  package init(type: UInt8, flags: UInt8, length: Int, streamID: Int32) {
    self.type = type
    self.flags = flags
    self.length = length
    self.streamID = streamID
  }

  package static let data: UInt8 = 0
  package static let headers: UInt8 = 1
  package static let priority: UInt8 = 2
  package static let resetStream: UInt8 = 3
  package static let settings: UInt8 = 4
  package static let pushPromise: UInt8 = 5
  package static let ping: UInt8 = 6
  package static let goaway: UInt8 = 7
  package static let windowUpdate: UInt8 = 8
  package static let continuation: UInt8 = 9

  package static let acknowledgement: UInt8 = 0x1
  package static let endStream: UInt8 = 0x1
  package static let endHeaders: UInt8 = 0x4
  package static let padded: UInt8 = 0x8
  package static let hasPriority: UInt8 = 0x20

  /// Bytes of a header.
  package static let size = 9
  /// The largest payload that everybody takes. We announce no larger one, and send none.
  package static let mostPayload = 16384

  /// Of SETTINGS and PING.
  var isAcknowledgement: Bool { flags & Self.acknowledgement != 0 }

  /// Reads nine bytes.
  package init(at bytes: UnsafeRawPointer) {
    let first = UInt32(bigEndian: bytes.loadUnaligned(as: UInt32.self))
    length = Int(first >> 8)
    type = UInt8(truncatingIfNeeded: first)
    flags = bytes.load(fromByteOffset: 4, as: UInt8.self)
    streamID = Int32(
      bitPattern: UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 5, as: UInt32.self)) & 0x7FFF_FFFF)
  }

  /// Writes nine bytes.
  @inline(__always)
  package func write(to space: UnsafeMutableRawPointer) {
    let first = UInt32(truncatingIfNeeded: length) << 8 | UInt32(type)
    space.storeBytes(of: first.bigEndian, as: UInt32.self)
    space.storeBytes(of: flags, toByteOffset: 4, as: UInt8.self)
    space.storeBytes(of: UInt32(bitPattern: streamID).bigEndian, toByteOffset: 5, as: UInt32.self)
  }

  /// What is wrong with a frame by its header alone, whatever it is sent to; nil for nothing.
  package var breach: HTTP2ErrorCode? {
    guard length <= Self.mostPayload else { return .frameSizeError }
    switch type {
    case Self.data, Self.headers, Self.continuation: return streamID == 0 ? .protocolError : nil
    case Self.priority: return check(length == 5, ofStream: true)
    case Self.resetStream: return check(length == 4, ofStream: true)
    case Self.settings:
      return check(isAcknowledgement ? length == 0 : length % 6 == 0, ofStream: false)
    case Self.ping: return check(length == 8, ofStream: false)
    case Self.goaway: return check(length >= 8, ofStream: false)
    case Self.windowUpdate: return length == 4 ? nil : .frameSizeError
    // We allow none.
    case Self.pushPromise: return .protocolError
    default: return nil
    }
  }

  private func check(_ fits: Bool, ofStream: Bool) -> HTTP2ErrorCode? {
    guard (streamID != 0) == ofStream else { return .protocolError }
    return fits ? nil : .frameSizeError
  }
}

/// RFC 9113, section 7.
package enum HTTP2ErrorCode: UInt32, Sendable {
  case noError = 0
  case protocolError = 1
  case internalError = 2
  case flowControlError = 3
  case streamClosed = 5
  case frameSizeError = 6
  case refusedStream = 7
  case cancel = 8
  case compressionError = 9
  case enhanceYourCalm = 11
}
