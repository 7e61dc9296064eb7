// What a key is known by: its SHA-256. How one is made is left to each plane's own cryptography library.

/// SHA-256 of a key as the client sends it.
package struct KeyDigest: Equatable, Comparable, BitwiseCopyable, Sendable {
  /// As memory has them: uniform, so any of their bits make a hash.
  package var words: (UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0)

  /// All zero, to be written into.
  package init() {}

  /// - Parameter bytes: exactly 32
  package init?(bytes: some Collection<UInt8>) {
    guard bytes.count == 32 else { return nil }
    withUnsafeMutableBytes(of: &words) { $0.copyBytes(from: bytes) }
  }

  package var bytes: [UInt8] { withUnsafeBytes(of: words) { Array($0) } }

  /// Looks at every word, whatever the first says.
  package static func == (left: KeyDigest, right: KeyDigest) -> Bool {
    (left.words.0 ^ right.words.0) | (left.words.1 ^ right.words.1) | (left.words.2 ^ right.words.2)
      | (left.words.3 ^ right.words.3) == 0
  }

  /// An order for tables; it means nothing else.
  package static func < (left: KeyDigest, right: KeyDigest) -> Bool {
    if left.words.0 != right.words.0 { return left.words.0 < right.words.0 }
    return (left.words.1, left.words.2, left.words.3) < (right.words.1, right.words.2, right.words.3)
  }
}
