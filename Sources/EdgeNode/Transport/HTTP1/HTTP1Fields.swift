// A parsed HTTP/1.1 head as a block of fields, as HTTP/2 has them: names in lower case, the first line as pseudo-fields.

extension HTTP1Head {
  /// - Parameter bytes: those that were parsed
  func copyRequest(_ bytes: UnsafeRawBufferPointer, into block: borrowing HeaderBlock) {
    block.append(.method, ":method", UnsafeRawBufferPointer(rebasing: bytes[method]))
    block.append(.path, ":path", UnsafeRawBufferPointer(rebasing: bytes[target]))
    block.append(.authority, ":authority", UnsafeRawBufferPointer(rebasing: bytes[host]))
    copyFields(bytes, into: block)
  }

  func copyAnswer(_ bytes: UnsafeRawBufferPointer, into block: borrowing HeaderBlock) {
    copyFields(bytes, into: block)
  }

  private func copyFields(_ bytes: UnsafeRawBufferPointer, into block: borrowing HeaderBlock) {
    var index = 0
    while index < count {
      let field = self[index]
      index += 1
      let value = UnsafeRawBufferPointer(rebasing: bytes[field.value])
      withUnsafeTemporaryAllocation(byteCount: field.name.count, alignment: 1) { name in
        for offset in 0..<name.count { name[offset] = asciiLowercase(bytes[field.name.lowerBound + offset]) }
        block.append(UnsafeRawBufferPointer(name), value)
      }
    }
  }
}
