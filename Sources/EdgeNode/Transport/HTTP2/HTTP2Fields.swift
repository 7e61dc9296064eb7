// A head as nghttp2 wants it. Names and values are not copied: the block must stay unchanged until the frame is sent.

import CNghttp2

extension HeaderBlock {
  /// The block's fields, in memory that the loop lends until a head is next asked for.
  /// - Parameter copied: nghttp2 keeps copies, so that the block may change at once
  func nghttp2Fields(in buffers: LoopBuffers, copied: Bool = false) -> UnsafeMutableBufferPointer<nghttp2_nv>
  {
    let count = count
    let fields = buffers.fields(count * MemoryLayout<nghttp2_nv>.stride)
      .bindMemory(to: nghttp2_nv.self, capacity: count)
    let kept =
      copied
      ? NGHTTP2_NV_FLAG_NONE.rawValue
      : NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue
    forEachField { index, name, value, unique in
      let flags = unique ? kept | NGHTTP2_NV_FLAG_NO_INDEX.rawValue : kept
      (fields + index).initialize(
        to: nghttp2_nv(
          name: UnsafeMutablePointer(mutating: name.bindMemory(to: UInt8.self).baseAddress),
          value: UnsafeMutablePointer(mutating: value.bindMemory(to: UInt8.self).baseAddress),
          namelen: name.count, valuelen: value.count, flags: UInt8(truncatingIfNeeded: flags)))
    }
    return UnsafeMutableBufferPointer(start: fields, count: count)
  }
}
