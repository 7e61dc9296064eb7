// One of the small immutable tables that a million keys are spread over: open addressing in a block of flat memory, its
// entries in the order of their digests, so that equal sets lie equal and a change is a merge.

/// One key in a table: a cache line.
package struct KeyEntry: BitwiseCopyable, Sendable {
  package var digest: KeyDigest
  package var id: KeyID
  /// Microseconds since 1970; `Int64.max` for never.
  package var expiresAt: Int64
  /// The team's place in the set's `TeamRoster`.
  package var team: UInt32
  fileprivate var isUsed: UInt32

  package init(digest: KeyDigest, id: KeyID, expiresAt: Int64, team: UInt32) {
    self.digest = digest
    self.id = id
    self.expiresAt = expiresAt
    self.team = team
    isUsed = 1
  }

  fileprivate static let unused: KeyEntry = {
    var entry = KeyEntry(digest: KeyDigest(), id: .none, expiresAt: 0, team: 0)
    entry.isUsed = 0
    return entry
  }()
}

/// Where a shard's entries are. Whoever holds a view keeps the shard alive by other means: reading counts no references.
package struct KeyShardView: BitwiseCopyable, @unchecked Sendable {
  // The memory is written before the view is made and never again.
  fileprivate let slots: UnsafeMutablePointer<KeyEntry>
  /// Homes that digests are spread over.
  fileprivate let homes: UInt32
  /// Homes, and room behind them for those that the last ones pushed on.
  fileprivate let length: UInt32

  /// The place at which a digest's first word belongs. It rises with the word.
  fileprivate static func home(_ word: UInt64, of homes: UInt32) -> Int {
    Int(truncatingIfNeeded: (word >> 20 & 0xFFFF_FFFF) &* UInt64(homes) &>> 32)
  }

  package func find(_ digest: KeyDigest) -> UnsafePointer<KeyEntry>? {
    var index = Self.home(digest.words.0, of: homes)
    while index < Int(length) {
      let entry = slots + index
      guard entry.pointee.isUsed != 0, entry.pointee.digest.words.0 <= digest.words.0 else { return nil }
      if entry.pointee.digest == digest { return UnsafePointer(entry) }
      index += 1
    }
    return nil
  }

  /// The entry of the key `id` among those whose digest begins with `fragment`.
  func find(_ id: KeyID, fragment: UInt32) -> UnsafePointer<KeyEntry>? {
    var index = Self.home(UInt64(fragment) << 32, of: homes)
    let last = Self.home(UInt64(fragment) << 32 | 0xFFFF_FFFF, of: homes)
    while index < Int(length) {
      let entry = slots + index
      if entry.pointee.isUsed == 0 {
        guard index <= last else { return nil }
      } else {
        let found = UInt32(truncatingIfNeeded: entry.pointee.digest.words.0 >> 32)
        guard found <= fragment else { return nil }
        if found == fragment, entry.pointee.id == id { return UnsafePointer(entry) }
      }
      index += 1
    }
    return nil
  }

  package func forEach<Fault: Error>(_ body: (borrowing KeyEntry) throws(Fault) -> Void) throws(Fault) {
    for index in 0..<Int(length) where slots[index].isUsed != 0 { try body(slots[index]) }
  }

  func isSame(as other: KeyShardView) -> Bool { slots == other.slots }
}

/// Keeps a shard's memory.
final class KeyShard: Sendable {
  let view: KeyShardView
  let count: Int
  private let block: KeyBlock

  static let empty: KeyShard = {
    var memory = KeyMemory(isLarge: false)
    return KeyShard([], in: &memory)
  }()

  /// - Parameter entries: in the order of their digests, which differ
  init(_ entries: ContiguousArray<KeyEntry>, in memory: inout KeyMemory) {
    count = entries.count
    let homes = UInt32(entries.count + entries.count / 4)
    // A first pass only counts: how far the last entries are pushed is known after it.
    var length = Int(homes)
    var next = 0
    for entry in entries {
      next = max(next, KeyShardView.home(entry.digest.words.0, of: homes)) + 1
    }
    length = max(length, next)
    let (block, start) = memory.take(max(1, length) * MemoryLayout<KeyEntry>.stride)
    self.block = block
    let slots = start.bindMemory(to: KeyEntry.self, capacity: length)
    slots.initialize(repeating: .unused, count: length)
    next = 0
    for entry in entries {
      let place = max(next, KeyShardView.home(entry.digest.words.0, of: homes))
      slots[place] = entry
      next = place + 1
    }
    view = KeyShardView(slots: slots, homes: homes, length: UInt32(length))
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
