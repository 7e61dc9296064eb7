// One of the small immutable tables that a million keys are spread over: entries in the order of their digests, and before
// them sixteen bits of each digest. Those of all shards fit a processor's cache, so that a look-up goes to memory once,
// for the entry that it finds, and mostly not at all for a key that is not there.

/// One key in a table: a cache line.
package struct KeyEntry: BitwiseCopyable, Sendable {
  package var digest: KeyDigest
  package var id: KeyID
  /// Microseconds since 1970; `Int64.max` for never.
  package var expiresAt: Int64
  /// The team's place in the set's `TeamRoster`.
  package var team: UInt32
}

/// Where a shard's entries are. Whoever holds a view keeps the shard alive by other means: reading counts no references.
package struct KeyShardView: BitwiseCopyable, @unchecked Sendable {
  // The memory is written before the view is made and never again.
  private let start: UnsafeMutableRawPointer
  fileprivate let count: UInt32

  /// - Parameter start: aligned to a cache line, of `bytes(count)` bytes
  fileprivate init(_ start: UnsafeMutableRawPointer, count: Int) {
    self.start = start
    self.count = UInt32(count)
  }

  /// The bits of a digest after those that chose the shard. They rise with the digest.
  fileprivate static func tag(_ word: UInt64) -> UInt16 { UInt16(truncatingIfNeeded: word &>> 36) }

  private static func tagBytes(_ count: Int) -> Int { (count &* 2 &+ 63) & ~63 }

  fileprivate static func bytes(_ count: Int) -> Int {
    max(64, tagBytes(count) + count * MemoryLayout<KeyEntry>.stride)
  }

  fileprivate var tags: UnsafeMutablePointer<UInt16> { start.assumingMemoryBound(to: UInt16.self) }

  fileprivate var entries: UnsafeMutablePointer<KeyEntry> {
    (start + Self.tagBytes(Int(count))).assumingMemoryBound(to: KeyEntry.self)
  }

  /// The first place whose tag is not below `tag`. Digests are uniform, so a guess is a few places off.
  private func firstPlace(_ tag: UInt16) -> Int {
    let tags = tags
    let count = Int(count)
    var place = Int(tag) &* count &>> 16
    while place < count, tags[place] < tag { place &+= 1 }
    while place > 0, tags[place &- 1] >= tag { place &-= 1 }
    return place
  }

  package func find(_ digest: KeyDigest) -> UnsafePointer<KeyEntry>? {
    let tag = Self.tag(digest.words.0)
    var place = firstPlace(tag)
    while place < Int(count), tags[place] == tag {
      let entry = entries + place
      if entry.pointee.digest == digest { return UnsafePointer(entry) }
      place &+= 1
    }
    return nil
  }

  /// The entry of the key `id` among those whose digest begins with `fragment`.
  func find(_ id: KeyID, fragment: UInt32) -> UnsafePointer<KeyEntry>? {
    let tag = Self.tag(UInt64(fragment) << 32)
    var place = firstPlace(tag)
    while place < Int(count), tags[place] == tag {
      let entry = entries + place
      if entry.pointee.id == id, entry.pointee.digest.fragment == fragment { return UnsafePointer(entry) }
      place += 1
    }
    return nil
  }

  package func forEach<Fault: Error>(_ body: (borrowing KeyEntry) throws(Fault) -> Void) throws(Fault) {
    for place in 0..<Int(count) { try body(entries[place]) }
  }
}

/// Keeps a shard's memory.
final class KeyShard: Sendable {
  let view: KeyShardView
  private let block: KeyBlock

  static let empty: KeyShard = {
    var memory = KeyMemory(isLarge: false)
    return KeyShard([], in: &memory)
  }()

  var count: Int { Int(view.count) }

  /// - Parameter entries: in the order of their digests, which differ
  init(_ sorted: ContiguousArray<KeyEntry>, in memory: inout KeyMemory) {
    let (block, start) = memory.take(KeyShardView.bytes(sorted.count))
    self.block = block
    view = KeyShardView(start, count: sorted.count)
    for (place, entry) in sorted.enumerated() {
      (view.tags + place).initialize(to: KeyShardView.tag(entry.digest.words.0))
      (view.entries + place).initialize(to: entry)
    }
  }

  /// The shard after a change.
  /// - Parameters:
  ///   - removed: digests in order
  ///   - added: entries in the order of their digests; none of a digest that stays
  func changed(
    removing removed: ArraySlice<KeyDigest>, adding added: ContiguousArray<KeyEntry>,
    in memory: inout KeyMemory
  ) -> KeyShard {
    var merged = ContiguousArray<KeyEntry>()
    merged.reserveCapacity(count + added.count)
    var removed = removed
    var next = 0
    view.forEach { (entry: borrowing KeyEntry) in
      while next < added.count, added[next].digest < entry.digest {
        merged.append(added[next])
        next += 1
      }
      while let first = removed.first, first < entry.digest { removed = removed.dropFirst() }
      if removed.first == entry.digest { return }
      merged.append(copy entry)
    }
    merged.append(contentsOf: added[next...])
    return merged.isEmpty ? .empty : KeyShard(merged, in: &memory)
  }
}
