// One of the small immutable tables that a million keys are spread over: entries in the order of their digests, each at
// the place that its digest gives it, or as soon after it as there is room. Three places of eight stay empty, so that an
// entry is rarely more than a few places off. Those are read at once: a look-up waits for memory one time.

/// One key in a table: a cache line.
package struct KeyEntry: BitwiseCopyable, Sendable {
  package var digest: KeyDigest
  package var id: KeyID
  /// Microseconds since 1970; `Int64.max` for never.
  package var expiresAt: Int64
  /// The team's place in the set's `TeamRoster`.
  package var team: UInt32

  /// In an empty place; no team has this number.
  fileprivate static let noTeam = UInt32.max

  /// What an empty place has: it comes after every digest, and the search for one ends there.
  fileprivate static var empty: KeyEntry {
    var digest = KeyDigest()
    digest.words = (.max, .max, .max, .max)
    return KeyEntry(digest: digest, id: .none, expiresAt: 0, team: noTeam)
  }

  fileprivate var isEmpty: Bool { team == Self.noTeam }
}

/// Where a shard's entries are. Whoever holds a view keeps the shard alive by other means: reading counts no references.
package struct KeyShardView: BitwiseCopyable, @unchecked Sendable {
  // The memory is written before the view is made and never again.
  private let places: UnsafeMutablePointer<KeyEntry>
  fileprivate let count: UInt32
  /// How many places digests are spread over. Behind them are some for those that found no room, and an empty one.
  private let capacity: UInt32

  /// Places that are read without a look at the one before.
  private static let readAtOnce = 4

  /// - Parameters:
  ///   - start: aligned to a cache line, of `bytes(sorted)` bytes
  ///   - sorted: in the order of their digests, which differ
  fileprivate init(_ start: UnsafeMutableRawPointer, filledWith sorted: ContiguousArray<KeyEntry>) {
    let total = Self.placeCount(sorted)
    places = start.bindMemory(to: KeyEntry.self, capacity: total)
    count = UInt32(sorted.count)
    capacity = UInt32(Self.capacity(sorted.count))
    var free = 0
    for entry in sorted {
      let place = max(free, Self.home(entry.digest.words.0, of: Int(capacity)))
      (places + free).initialize(repeating: .empty, count: place - free)
      (places + place).initialize(to: entry)
      free = place + 1
    }
    (places + free).initialize(repeating: .empty, count: total - free)
  }

  private static func capacity(_ count: Int) -> Int { max(1, count * 8 / 5) }

  private static func placeCount(_ sorted: ContiguousArray<KeyEntry>) -> Int {
    let capacity = capacity(sorted.count)
    let end = sorted.reduce(0) { free, entry in max(free, home(entry.digest.words.0, of: capacity)) + 1 }
    return max(end + 1, capacity + readAtOnce)
  }

  fileprivate static func bytes(_ sorted: ContiguousArray<KeyEntry>) -> Int {
    placeCount(sorted) * MemoryLayout<KeyEntry>.stride
  }

  /// By those bits after the ones that chose the shard which are in the `fragment` too. They rise with the digest.
  private static func home(_ word: UInt64, of capacity: Int) -> Int {
    let bits = Int(truncatingIfNeeded: word &>> 32) & 0xF_FFFF
    return (bits &* capacity) >> 20
  }

  /// The first place from the digest's own one on whose digest does not begin below `word`.
  private func first(notBelow word: UInt64) -> UnsafeMutablePointer<KeyEntry> {
    var place = places + Self.home(word, of: Int(capacity))
    // Whatever is looked for, all places before it from its own one on are taken by lesser digests. Counting them takes no
    // branch, so that the processor asks for all of them without waiting for one.
    place +=
      Self.isBelow(place[0], word) &+ Self.isBelow(place[1], word) &+ Self.isBelow(place[2], word)
      &+ Self.isBelow(place[3], word)
    while place.pointee.digest.words.0 < word { place += 1 }
    return place
  }

  private static func isBelow(_ entry: borrowing KeyEntry, _ word: UInt64) -> Int {
    entry.digest.words.0 < word ? 1 : 0
  }

  package func find(_ digest: KeyDigest) -> UnsafePointer<KeyEntry>? {
    var place = first(notBelow: digest.words.0)
    while place.pointee.digest.words.0 == digest.words.0, !place.pointee.isEmpty {
      if place.pointee.digest == digest { return UnsafePointer(place) }
      place += 1
    }
    return nil
  }

  /// The entry of the key `id` among those whose digest begins with `fragment`.
  func find(_ id: KeyID, fragment: UInt32) -> UnsafePointer<KeyEntry>? {
    var place = first(notBelow: UInt64(fragment) << 32)
    while place.pointee.digest.fragment == fragment, !place.pointee.isEmpty {
      if place.pointee.id == id { return UnsafePointer(place) }
      place += 1
    }
    return nil
  }

  package func forEach<Fault: Error>(_ body: (borrowing KeyEntry) throws(Fault) -> Void) throws(Fault) {
    var rest = count
    var place = places
    while rest > 0 {
      if !place.pointee.isEmpty {
        try body(place.pointee)
        rest -= 1
      }
      place += 1
    }
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
    let (block, start) = memory.take(KeyShardView.bytes(sorted))
    self.block = block
    view = KeyShardView(start, filledWith: sorted)
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
