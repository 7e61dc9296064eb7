// Where shards' entries lie. Those of a large set lie close together in large pages: a look-up is at a random place, and
// with pages of 4 KB it would pay for the page's address as much as for the entry.

import Glibc

/// Memory of one or more shards, given back when the last of them goes.
final class KeyBlock: @unchecked Sendable {
  // Shards are laid out in it while one edit holds it; afterwards it only keeps them.
  let start: UnsafeMutableRawPointer
  private let byteCount: Int
  private var used = 0

  static let largePage = 2 << 20

  init(byteCount: Int) {
    let isLarge = byteCount >= Self.largePage
    self.byteCount = byteCount
    // Aligned to cache lines at least, so that a look-up misses the cache once.
    start = .allocate(byteCount: byteCount, alignment: isLarge ? Self.largePage : 64)
    if isLarge { madvise(start, byteCount, MADV_HUGEPAGE) }
  }

  deinit {
    start.deallocate()
  }

  func take(_ count: Int) -> UnsafeMutableRawPointer? {
    guard used + count <= byteCount else { return nil }
    defer { used += count }
    return start + used
  }
}

/// Hands out memory for the shards of one edit.
struct KeyMemory {
  private var block: KeyBlock?
  private let isLarge: Bool

  /// - Parameter isLarge: the edit makes most shards of a large set anew
  init(isLarge: Bool) {
    self.isLarge = isLarge
  }

  mutating func take(_ byteCount: Int) -> (KeyBlock, UnsafeMutableRawPointer) {
    if isLarge, byteCount <= KeyBlock.largePage {
      if let block, let start = block.take(byteCount) { return (block, start) }
      let next = KeyBlock(byteCount: KeyBlock.largePage)
      block = next
      return (next, next.take(byteCount) ?? next.start)
    }
    let own = KeyBlock(byteCount: byteCount)
    return (own, own.start)
  }
}
