// A short text held in place, so that reading one allocates nothing.

/// The decoded bytes of one JSON string: all of them up to the capacity, and a count that goes on beyond it.
package struct InlineText: Sendable {
  package static let capacity = 256

  private var storage = InlineArray<256, UInt8>(repeating: 0)
  /// How many bytes the whole text has, kept or not.
  package private(set) var count = 0

  package init() {}

  package var overflows: Bool { count > Self.capacity }

  @inline(__always)
  mutating func clear() { count = 0 }

  @inline(__always)
  mutating func append(_ bytes: UnsafeRawPointer, _ length: Int) {
    let room = Self.capacity &- count
    if room > 0 {
      let kept = count
      withUnsafeMutableBytes(of: &storage) { target in
        guard let start = target.baseAddress else { return }
        (start + kept).copyMemory(from: bytes, byteCount: min(room, length))
      }
    }
    count &+= length
  }

  mutating func append(byte: UInt8) {
    withUnsafeBytes(of: byte) { bytes in
      if let start = bytes.baseAddress { append(start, 1) }
    }
  }

  /// Appends a Unicode scalar as UTF-8; what is no scalar (a lone surrogate) becomes U+FFFD.
  mutating func append(codePoint: UInt32) {
    let scalar = Unicode.Scalar(codePoint) ?? "\u{FFFD}"
    for unit in UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter { append(byte: unit) }
  }

  /// Whether the bytes that were kept are UTF-8 as a whole.
  var isUTF8: Bool {
    withBytes { bytes in
      if bytes.allSatisfy({ $0 < 0x80 }) { return true }
      return String(validating: bytes.bindMemory(to: UInt8.self), as: UTF8.self) != nil
    }
  }

  /// Lends the bytes that were kept.
  @inline(__always)
  package borrowing func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    let kept = min(count, Self.capacity)
    // By its span: `withUnsafeBytes(of:)` would lend a copy.
    return storage.span.withUnsafeBytes { body(UnsafeRawBufferPointer(rebasing: $0[..<kept])) }
  }
}
