// Where a key is, by its identifier: eight bytes a key, 32 bits of the identifier's hash and 32 bits of the digest. What it
// finds is a candidate; the table says whether it is the key.

struct KeyIndex: Sendable {
  /// By the hash's first bits; each in order.
  private var buckets = ContiguousArray(repeating: ContiguousArray<UInt64>(), count: KeySet.shardCount)

  /// What the index holds of a key, and the bucket that holds it.
  struct Mark {
    let bucket: Int
    let word: UInt64

    init(_ id: KeyID, _ digest: KeyDigest) {
      let hash = KeyIndex.hash(id)
      bucket = Int(truncatingIfNeeded: hash &>> 52)
      word = (hash >> 20) << 32 | UInt64(digest.fragment)
    }
  }

  /// The beginnings of digests that a key of this identifier may have.
  func fragments(of id: KeyID) -> some Sequence<UInt32> {
    let hash = Self.hash(id)
    let bucket = buckets[Int(truncatingIfNeeded: hash &>> 52)]
    let wanted = hash >> 20 & 0xFFFF_FFFF
    let start = bucket.firstPlace { $0 >> 32 >= wanted }
    return bucket[start...].lazy.prefix { $0 >> 32 == wanted }.map { UInt32(truncatingIfNeeded: $0) }
  }

  mutating func change(removing removed: [Mark], adding added: [Mark]) {
    let removals = Grouped(removed.count) { removed[$0].bucket }
    let additions = Grouped(added.count) { added[$0].bucket }
    for number in 0..<KeySet.shardCount where !(removals[number].isEmpty && additions[number].isEmpty) {
      var bucket = buckets[number]
      for place in removals[number] {
        let word = removed[Int(place)].word
        let found = bucket.firstPlace { $0 >= word }
        if found < bucket.count, bucket[found] == word { bucket.remove(at: found) }
      }
      bucket.reserveCapacity(bucket.count + additions[number].count)
      for place in additions[number] { bucket.append(added[Int(place)].word) }
      bucket.sort()
      buckets[number] = bucket
    }
  }

  /// Identifiers may differ in few bits, so they are mixed: the finisher of SplitMix64.
  fileprivate static func hash(_ id: KeyID) -> UInt64 {
    var hash = id.high &* 0x9E37_79B9_7F4A_7C15 ^ id.low
    hash = (hash ^ hash >> 30) &* 0xBF58_476D_1CE4_E5B9
    hash = (hash ^ hash >> 27) &* 0x94D0_49BB_1331_11EB
    return hash ^ hash >> 31
  }
}

extension RandomAccessCollection where Index == Int {
  /// The first place from which on the condition holds.
  func firstPlace(where holds: (Element) -> Bool) -> Int {
    var low = startIndex
    var high = endIndex
    while low < high {
      let middle = low + (high - low) / 2
      if holds(self[middle]) { high = middle } else { low = middle + 1 }
    }
    return low
  }
}

extension KeyID {
  /// One of `KeySet.shardCount` groups, evenly filled.
  var group: Int { Int(truncatingIfNeeded: KeyIndex.hash(self) &>> 52) }
}

/// Places 0..<count by group, in the order in which they were.
struct Grouped {
  private var places: ContiguousArray<UInt32>
  private var starts: ContiguousArray<Int>

  /// - Parameter group: of a place; below `KeySet.shardCount`
  init(_ count: Int, by group: (Int) -> Int) {
    starts = ContiguousArray(repeating: 0, count: KeySet.shardCount + 1)
    for place in 0..<count { starts[group(place) + 1] += 1 }
    for number in 0..<KeySet.shardCount { starts[number + 1] += starts[number] }
    var next = starts
    places = ContiguousArray(repeating: 0, count: count)
    for place in 0..<count {
      let number = group(place)
      places[next[number]] = UInt32(place)
      next[number] += 1
    }
  }

  subscript(group: Int) -> ArraySlice<UInt32> { places[starts[group]..<starts[group + 1]] }
}
