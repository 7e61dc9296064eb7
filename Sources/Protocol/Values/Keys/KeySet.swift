// All keys of a configuration. A value that shares what did not change: 4,096 immutable shards by digest, and beside them
// an index by identifier for changes. A million keys take some 120 MB; one changed key copies a shard of 25 KB.

package struct KeySet: Sendable {
  package static let shardCount = 1 << 12

  package internal(set) var count = 0
  package internal(set) var teams = TeamRoster()
  package internal(set) var sums = KeySums()
  var shards = ContiguousArray(repeating: KeyShard.empty, count: shardCount)
  var index = KeyIndex()
  /// Changes of shards since all lay close together.
  var looseShards = 0
  /// From so many keys on it matters where the shards lie.
  static let largeCount = 1 << 16

  package init() {}

  package var isEmpty: Bool { count == 0 }

  package subscript(id: KeyID) -> KeyRecord? { entry(id).map(record) }

  package subscript(digest: KeyDigest) -> KeyRecord? {
    shards[Self.shard(of: digest)].view.find(digest).map { record($0.pointee) }
  }

  package func contains(_ id: KeyID) -> Bool { entry(id) != nil }

  /// Every key, in the order of the digests' table.
  package func forEach<Fault: Error>(_ body: (KeyRecord) throws(Fault) -> Void) throws(Fault) {
    for shard in 0..<Self.shardCount { try forEach(inShard: shard, body) }
  }

  /// Every key of one of `shardCount` parts.
  package func forEach<Fault: Error>(
    inShard shard: Int, _ body: (KeyRecord) throws(Fault) -> Void
  ) throws(Fault) {
    try shards[shard].view.forEach { (entry: borrowing KeyEntry) throws(Fault) in
      try body(record(copy entry))
    }
  }

  /// Whether the keys of a shard are the very same; where not, they may still be equal.
  package func sharesShard(_ shard: Int, with other: KeySet) -> Bool {
    shards[shard] === other.shards[shard]
  }

  package func count(inShard shard: Int) -> Int { shards[shard].count }

  /// For a look-up table without reference counting. The views hold as long as this set or a copy of it lives.
  package func view(ofShard shard: Int) -> KeyShardView { shards[shard].view }

  package static func shard(of digest: KeyDigest) -> Int {
    Int(truncatingIfNeeded: digest.words.0 &>> 52)
  }

  func entry(_ id: KeyID) -> KeyEntry? {
    for fragment in index.fragments(of: id) {
      let found = shards[Int(fragment >> 20)].view.find(id, fragment: fragment)
      if let found { return found.pointee }
    }
    return nil
  }

  /// Lays the shards of a large set close together again when a quarter has been changed one by one: what they left
  /// behind is free only when the last of its neighbours has gone.
  mutating func gather() {
    guard count >= Self.largeCount, looseShards > Self.shardCount / 4 else { return }
    var memory = KeyMemory(isLarge: true)
    for number in 0..<Self.shardCount where shards[number].count > 0 {
      shards[number] = shards[number].changed(removing: [], adding: [], in: &memory)
    }
    looseShards = 0
  }

  func record(_ entry: KeyEntry) -> KeyRecord {
    KeyRecord(id: entry.id, teamID: teams[entry.team], digest: entry.digest, expiresAt: entry.expiresAt)
  }
}

extension KeySet: Equatable {
  /// Whether both have the same keys; shards that both share are not looked at.
  package static func == (left: KeySet, right: KeySet) -> Bool {
    guard left.count == right.count else { return false }
    return (0..<shardCount).allSatisfy { shard in
      if left.shards[shard] === right.shards[shard] { return true }
      return left.shards[shard].count == right.shards[shard].count
        && left.records(inShard: shard) == right.records(inShard: shard)
    }
  }

  private func records(inShard shard: Int) -> [KeyRecord] {
    var records = [KeyRecord]()
    records.reserveCapacity(count(inShard: shard))
    forEach(inShard: shard) { records.append($0) }
    return records
  }
}

extension KeyDigest {
  /// The first bits, by which the index by identifier finds a digest's shard and its place in it.
  var fragment: UInt32 { UInt32(truncatingIfNeeded: words.0 >> 32) }
}
