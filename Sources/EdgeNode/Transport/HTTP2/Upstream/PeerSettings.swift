// What the peer has said in its SETTINGS frames (RFC 9113, section 6.5.2), as far as a client has to know it. The largest
// frame is none of it: we send none beyond what everybody takes.

package struct PeerSettings: BitwiseCopyable {
  private static let largestFrames = 16_384...16_777_215

  /// A stream's send window at its begin.
  package private(set) var streamWindow = HTTP2Limits.usualWindowBytes
  package private(set) var mostStreams = Int(UInt32.max)
  /// Less of a table was allowed at some time than there is at first.
  package private(set) var tableHasShrunk = false

  package init() {}

  /// - Parameter payload: of a SETTINGS frame, six bytes for each entry
  /// - Returns: the error that it is; nil where it is none
  package mutating func take(_ payload: UnsafeRawBufferPointer) -> HTTP2ErrorCode? {
    var offset = 0
    while offset + 6 <= payload.count {
      let name = UInt16(bigEndian: payload.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
      let value = Int(UInt32(bigEndian: payload.loadUnaligned(fromByteOffset: offset + 2, as: UInt32.self)))
      if let error = take(name, value) { return error }
      offset += 6
    }
    return nil
  }

  private mutating func take(_ name: UInt16, _ value: Int) -> HTTP2ErrorCode? {
    switch name {
    case Self.headerTableSize:
      if value < HTTP2Limits.usualTableBytes { tableHasShrunk = true }
    case Self.enablePush:
      // A server may only say that there is none.
      if value != 0 { return .protocolError }
    case Self.maxConcurrentStreams: mostStreams = value
    case Self.initialWindowSize:
      guard value <= SendWindow.most else { return .flowControlError }
      streamWindow = value
    case Self.maxFrameSize:
      if !Self.largestFrames.contains(value) { return .protocolError }
    case Self.enableConnectProtocol, Self.noPriorities:
      if value > 1 { return .protocolError }
    default: break
    }
    return nil
  }

  package static let headerTableSize: UInt16 = 1
  package static let enablePush: UInt16 = 2
  package static let maxConcurrentStreams: UInt16 = 3
  package static let initialWindowSize: UInt16 = 4
  package static let maxFrameSize: UInt16 = 5
  package static let maxHeaderListSize: UInt16 = 6
  /// RFC 8441.
  package static let enableConnectProtocol: UInt16 = 8
  /// RFC 9218.
  package static let noPriorities: UInt16 = 9
}
