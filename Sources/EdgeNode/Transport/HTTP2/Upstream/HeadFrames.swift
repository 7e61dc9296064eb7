// A head, or trailers, as frames: HEADERS, and CONTINUATION for what one frame does not hold.

package enum HeadFrames {
  /// The frames take no more than this.
  package static func mostBytes(_ head: borrowing HeaderBlock) -> Int {
    let block = HPACKEncoder.mostBytes(head)
    return block + HTTP2FrameHeader.size * (1 + block / HTTP2FrameHeader.mostPayload)
  }

  /// - Parameter start: has room for `mostBytes`
  /// - Returns: the frames' length
  package static func write(
    _ head: borrowing HeaderBlock, streamID: Int32, endsStream: Bool, emptiesTable: Bool,
    to start: UnsafeMutableRawPointer
  ) -> Int {
    let block = HPACKEncoder.write(head, emptiesTable: emptiesTable, to: start + HTTP2FrameHeader.size)
    let flags: UInt8 = endsStream ? HTTP2FrameHeader.endStream : 0
    guard block > HTTP2FrameHeader.mostPayload else {
      HTTP2FrameHeader(
        type: HTTP2FrameHeader.headers, flags: flags | HTTP2FrameHeader.endHeaders, length: block,
        streamID: streamID
      ).write(to: start)
      return HTTP2FrameHeader.size &+ block
    }
    return split(block, streamID, flags, start)
  }

  /// Moves the block's parts apart, the last one first, to make room for the headers between them.
  private static func split(
    _ block: Int, _ streamID: Int32, _ flags: UInt8, _ start: UnsafeMutableRawPointer
  ) -> Int {
    let most = HTTP2FrameHeader.mostPayload
    let last = (block - 1) / most
    for part in stride(from: last, through: 0, by: -1) {
      let count = min(most, block - part * most)
      let place = start + part * (HTTP2FrameHeader.size + most)
      (place + HTTP2FrameHeader.size).copyMemory(
        from: start + HTTP2FrameHeader.size + part * most, byteCount: count)
      HTTP2FrameHeader(
        type: part == 0 ? HTTP2FrameHeader.headers : HTTP2FrameHeader.continuation,
        flags: (part == 0 ? flags : 0) | (part == last ? HTTP2FrameHeader.endHeaders : 0),
        length: count, streamID: streamID
      ).write(to: place)
    }
    return block + HTTP2FrameHeader.size * (last + 1)
  }
}
