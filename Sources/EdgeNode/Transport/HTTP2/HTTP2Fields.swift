// A head as nghttp2 wants it. Names and values are not copied: the block must stay unchanged until the frame is sent.

import CNghttp2

extension HeaderBlock {
  /// Calls `body` with the block's fields.
  /// - Parameter copied: nghttp2 keeps copies, so that the block may change at once
  func withNghttp2Fields<Result>(
    copied: Bool = false, _ body: (UnsafeMutableBufferPointer<nghttp2_nv>) -> Result
  ) -> Result {
    withUnsafeTemporaryAllocation(of: nghttp2_nv.self, capacity: max(1, count)) { space in
      var index = 0
      while index < count {
        space.initializeElement(at: index, to: nghttp2Field(index, copied: copied))
        index += 1
      }
      return body(UnsafeMutableBufferPointer(rebasing: space[..<count]))
    }
  }

  private func nghttp2Field(_ index: Int, copied: Bool) -> nghttp2_nv {
    let name = nameBytes(index)
    let value = valueBytes(index)
    var flags =
      copied
      ? NGHTTP2_NV_FLAG_NONE.rawValue
      : NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue
    if self[index].unique { flags |= NGHTTP2_NV_FLAG_NO_INDEX.rawValue }
    return nghttp2_nv(
      name: UnsafeMutablePointer(mutating: name.bindMemory(to: UInt8.self).baseAddress),
      value: UnsafeMutablePointer(mutating: value.bindMemory(to: UInt8.self).baseAddress),
      namelen: name.count, valuelen: value.count, flags: UInt8(flags))
  }
}
