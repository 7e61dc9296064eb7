// What goes out before heads and bodies: frames that say something about the connection or about a stream.

struct ControlFrames: ~Copyable {
  private static let preface: StaticString = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

  /// As bytes; whole frames are put in, and taken out in pieces of any length.
  let bytes = ByteQueue()
  /// Those that have been put in since there were none, which are answers to the peer's SETTINGS and PING.
  private(set) var acknowledgements = 0
  /// All of them since then.
  private(set) var count = 0

  var isEmpty: Bool { bytes.isEmpty }

  /// - Returns: how many bytes have gone into the space
  @inline(__always)
  mutating func take(into space: UnsafeMutableRawPointer, _ room: Int) -> Int {
    if bytes.isEmpty { return 0 }
    let taken = min(bytes.count, room)
    space.copyMemory(from: bytes.readable.baseAddress.unsafelyUnwrapped, byteCount: taken)
    bytes.consume(taken)
    if bytes.isEmpty {
      acknowledgements = 0
      count = 0
    }
    return taken
  }

  /// The connection's first words.
  mutating func begin(_ limits: HTTP2Limits) {
    bytes.append(Self.preface)
    // The protocol's own need not be said.
    let saysTable = limits.tableBytes != HTTP2Limits.usualTableBytes
    begin(HTTP2FrameHeader.settings, length: 6 * (saysTable ? 4 : 3))
    append(setting: PeerSettings.enablePush, 0)
    append(setting: PeerSettings.initialWindowSize, limits.streamWindowBytes)
    append(setting: PeerSettings.maxHeaderListSize, limits.headerListBytes)
    if saysTable { append(setting: PeerSettings.headerTableSize, limits.tableBytes) }
    let more = limits.connectionWindowBytes - HTTP2Limits.usualWindowBytes
    if more > 0 { openWindow(0, by: more) }
  }

  mutating func acknowledgeSettings() {
    acknowledgements += 1
    begin(HTTP2FrameHeader.settings, flags: HTTP2FrameHeader.acknowledgement, length: 0)
  }

  mutating func acknowledgePing(_ payload: UnsafeRawBufferPointer) {
    acknowledgements += 1
    begin(HTTP2FrameHeader.ping, flags: HTTP2FrameHeader.acknowledgement, length: payload.count)
    bytes.append(payload)
  }

  mutating func reset(_ streamID: Int32, _ code: HTTP2ErrorCode) {
    begin(HTTP2FrameHeader.resetStream, length: 4, streamID: streamID)
    append(code.rawValue)
  }

  /// - Parameter streamID: 0 for the connection's window
  mutating func openWindow(_ streamID: Int32, by increment: Int) {
    begin(HTTP2FrameHeader.windowUpdate, length: 4, streamID: streamID)
    append(UInt32(truncatingIfNeeded: increment))
  }

  /// The peer has begun no stream that we would name.
  mutating func goAway(_ code: HTTP2ErrorCode) {
    begin(HTTP2FrameHeader.goaway, length: 8)
    append(0)
    append(code.rawValue)
  }

  private mutating func begin(_ type: UInt8, flags: UInt8 = 0, length: Int, streamID: Int32 = 0) {
    count += 1
    HTTP2FrameHeader(type: type, flags: flags, length: length, streamID: streamID)
      .write(to: bytes.reserve(HTTP2FrameHeader.size))
    bytes.produced(HTTP2FrameHeader.size)
  }

  private func append(setting name: UInt16, _ value: Int) {
    bytes.reserve(2).storeBytes(of: name.bigEndian, as: UInt16.self)
    bytes.produced(2)
    append(UInt32(truncatingIfNeeded: value))
  }

  private func append(_ number: UInt32) {
    bytes.reserve(4).storeBytes(of: number.bigEndian, as: UInt32.self)
    bytes.produced(4)
  }
}
