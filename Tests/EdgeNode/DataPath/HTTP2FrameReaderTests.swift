import EdgeDataPath
import Testing

private func frame(_ type: UInt8, flags: UInt8 = 0, stream: Int32 = 1, _ payload: [UInt8], length: Int? = nil)
  -> [UInt8]
{
  var bytes = [UInt8](repeating: 0, count: HTTP2FrameHeader.size)
  let header = HTTP2FrameHeader(type: type, flags: flags, length: length ?? payload.count, streamID: stream)
  bytes.withUnsafeMutableBytes { header.write(to: $0.baseAddress.unsafelyUnwrapped) }
  return bytes + payload
}

/// What a reader makes of bytes, with the pieces of a DATA frame put together.
private struct Seen: Equatable {
  var header: HTTP2FrameHeader
  var bytes: [UInt8] = []
  var isWhole = false
}

private func read(_ parts: [[UInt8]], skipping skipped: UInt8? = nil) -> (frames: [Seen], isBad: Bool) {
  var reader = HTTP2FrameReader()
  var seen: [Seen] = []
  for part in parts {
    let isBad = withBytes(part) { bytes -> Bool in
      var position = 0
      while true {
        switch reader.next(bytes, &position) {
        case .needMore:
          #expect(position == bytes.count)
          return false
        case .badPadding: return true
        case .began:
          seen.append(Seen(header: reader.header))
          if reader.header.type == skipped { reader.skip() }
        case .payload:
          seen[seen.count - 1].bytes = Array(reader.bytes)
          seen[seen.count - 1].isWhole = true
        case .data:
          seen[seen.count - 1].bytes += Array(reader.bytes)
          seen[seen.count - 1].isWhole = reader.isLastPiece
          if reader.isLastPiece { #expect(reader.bodyLength == seen[seen.count - 1].bytes.count) }
        }
      }
    }
    if isBad { return (seen, true) }
  }
  return (seen, false)
}

@Suite("HTTP/2 frames from bytes")
struct HTTP2FrameReaderTests {
  private static let data = HTTP2FrameHeader.data
  private static let padded = HTTP2FrameHeader.padded
  private static let all: [[UInt8]] = [
    frame(HTTP2FrameHeader.settings, stream: 0, []),
    frame(HTTP2FrameHeader.headers, flags: HTTP2FrameHeader.endHeaders, [1, 2, 3, 4, 5]),
    frame(data, [10, 11, 12]),
    frame(data, flags: padded, [2, 20, 21, 0, 0]),
    frame(data, []),
    frame(0xFA, stream: 0, [9, 9, 9, 9]),
    frame(data, flags: padded, [3, 0, 0, 0]),
    frame(data, flags: padded, [0]),
    frame(HTTP2FrameHeader.ping, stream: 0, [1, 2, 3, 4, 5, 6, 7, 8]),
  ]

  private static let expected: [[UInt8]] = [
    [], [1, 2, 3, 4, 5], [10, 11, 12], [20, 21], [], [], [], [], [1, 2, 3, 4, 5, 6, 7, 8],
  ]

  @Test("frames are the same wherever the bytes are cut")
  func everyCut() {
    let bytes = Self.all.flatMap { $0 }
    let whole = read([bytes], skipping: 0xFA).frames
    #expect(whole.map(\.bytes) == Self.expected)
    #expect(whole.map(\.isWhole) == [true, true, true, true, true, false, true, true, true])
    for first in 0...bytes.count {
      #expect(read(pieces(of: bytes, cutAt: [first]), skipping: 0xFA).frames == whole, "cut at \(first)")
      for second in first...bytes.count {
        let parts = pieces(of: bytes, cutAt: [first, second])
        #expect(read(parts, skipping: 0xFA).frames == whole, "cut at \(first) and \(second)")
      }
    }
    #expect(read(bytes.map { [$0] }, skipping: 0xFA).frames == whole)
  }

  @Test("a body's bytes are there before its frame is whole")
  func bodyPieces() {
    let half = Array(frame(Self.data, [1, 2, 3, 4]).dropLast(2))
    let seen = read([half]).frames
    #expect(seen.map(\.bytes) == [[1, 2]])
    #expect(seen.map(\.isWhole) == [false])
  }

  @Test("padding that does not fit is bad, however it comes")
  func badPadding() {
    for bad in [
      frame(Self.data, flags: Self.padded, []), frame(Self.data, flags: Self.padded, [1]),
      frame(Self.data, flags: Self.padded, [4, 0, 0, 0]),
    ] {
      #expect(read([bad]).isBad)
      #expect(read(bad.map { [$0] }).isBad)
    }
    // The control.
    #expect(!read([frame(Self.data, flags: Self.padded, [3, 0, 0, 0])]).isBad)
  }

  @Test("a header is read as it was written")
  func header() {
    for header in [
      HTTP2FrameHeader(type: 0, flags: 0, length: 0, streamID: 0),
      HTTP2FrameHeader(type: 0xFF, flags: 0xFF, length: 0xFF_FFFF, streamID: .max),
      HTTP2FrameHeader(type: 1, flags: 4, length: 0x1234, streamID: 0x0102_0304),
    ] {
      let bytes = frame(header.type, flags: header.flags, stream: header.streamID, [], length: header.length)
      #expect(bytes.withUnsafeBytes { HTTP2FrameHeader(at: $0.baseAddress.unsafelyUnwrapped) } == header)
    }
    // The first bit of a stream's number means nothing.
    var reserved = frame(1, stream: 5, [])
    reserved[5] |= 0x80
    #expect(reserved.withUnsafeBytes { HTTP2FrameHeader(at: $0.baseAddress.unsafelyUnwrapped).streamID } == 5)
  }

  @Test("frames whose headers alone are wrong")
  func breaches() {
    func breach(_ type: UInt8, flags: UInt8 = 0, length: Int, stream: Int32) -> HTTP2ErrorCode? {
      HTTP2FrameHeader(type: type, flags: flags, length: length, streamID: stream).breach
    }
    for type: UInt8 in [0, 1, 9] {
      #expect(breach(type, length: 16_384, stream: 1) == nil)
      #expect(breach(type, length: 16_385, stream: 1) == .frameSizeError)
      #expect(breach(type, length: 1, stream: 0) == .protocolError)
    }
    for (type, length): (UInt8, Int) in [(2, 5), (3, 4)] {
      #expect(breach(type, length: length, stream: 1) == nil)
      #expect(breach(type, length: length + 1, stream: 1) == .frameSizeError)
      #expect(breach(type, length: length, stream: 0) == .protocolError)
    }
    #expect(breach(4, length: 12, stream: 0) == nil)
    #expect(breach(4, length: 13, stream: 0) == .frameSizeError)
    #expect(breach(4, length: 12, stream: 1) == .protocolError)
    #expect(breach(4, flags: 1, length: 0, stream: 0) == nil)
    #expect(breach(4, flags: 1, length: 6, stream: 0) == .frameSizeError)
    #expect(breach(5, length: 20, stream: 1) == .protocolError)
    #expect(breach(6, length: 8, stream: 0) == nil)
    #expect(breach(6, length: 7, stream: 0) == .frameSizeError)
    #expect(breach(6, length: 8, stream: 1) == .protocolError)
    #expect(breach(7, length: 8, stream: 0) == nil)
    #expect(breach(7, length: 7, stream: 0) == .frameSizeError)
    #expect(breach(7, length: 8, stream: 1) == .protocolError)
    #expect(breach(8, length: 4, stream: 0) == nil)
    #expect(breach(8, length: 4, stream: 1) == nil)
    #expect(breach(8, length: 5, stream: 1) == .frameSizeError)
    // What nobody knows may be anything but larger than what we take.
    #expect(breach(0xFA, length: 16_384, stream: 9) == nil)
    #expect(breach(0xFA, length: 16_385, stream: 9) == .frameSizeError)
  }
}
