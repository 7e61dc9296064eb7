// A change of a key set: collected piece by piece, then made in one go, so that each shard is copied once.

/// Why a change of keys cannot be made.
package enum KeySetFault: Error, Equatable {
  case sameIdentifier(KeyID)
  case sameDigest(KeyID, KeyID)
}

package struct KeySetEdit: Sendable {
  private let base: KeySet
  /// Of `chunkKeys` each, so that a million keys arriving one after another are never copied to make room.
  private var chunks: [ContiguousArray<KeyRecord>] = []
  private var removals: [KeyID] = []
  private static let chunkKeys = 1 << 14

  package init(of base: KeySet) {
    self.base = base
  }

  package private(set) var putCount = 0
  package var removalCount: Int { removals.count }

  package mutating func put(_ key: KeyRecord) {
    if putCount % Self.chunkKeys == 0 {
      chunks.append([])
      chunks[chunks.count - 1].reserveCapacity(putCount == 0 ? 16 : Self.chunkKeys)
    }
    chunks[chunks.count - 1].append(key)
    putCount += 1
  }

  package mutating func remove(_ id: KeyID) {
    removals.append(id)
  }

  /// The set after the change. Removing what is not there is no fault; naming a key twice is one.
  package consuming func finished() throws(KeySetFault) -> KeySet {
    try checkIdentifiers()
    var next = base
    let (gone, marksGone) = takeAway(&next)
    let marksAdded = try rebuild(&next, without: gone)
    next.gather()
    next.index.change(removing: marksGone, adding: marksAdded)
    return next
  }

  private func put(at place: Int) -> KeyRecord {
    chunks[place / Self.chunkKeys][place % Self.chunkKeys]
  }

  private func checkIdentifiers() throws(KeySetFault) {
    func id(_ place: Int) -> KeyID { place < putCount ? put(at: place).id : removals[place - putCount] }
    let groups = Grouped(putCount + removals.count) { id($0).group }
    for number in 0..<KeySet.shardCount where groups[number].count > 1 {
      let ids = groups[number].map { id(Int($0)) }.sorted()
      for place in ids.indices.dropFirst() where ids[place] == ids[place - 1] {
        throw .sameIdentifier(ids[place])
      }
    }
  }

  /// Takes the keys that are removed or replaced out of the roster; out of the shards they go when those are rebuilt.
  private func takeAway(_ next: inout KeySet) -> (gone: ContiguousArray<KeyDigest>, [KeyIndex.Mark]) {
    var gone = ContiguousArray<KeyDigest>()
    var marks: [KeyIndex.Mark] = []
    func takeAway(_ id: KeyID) {
      guard let entry = base.entry(id) else { return }
      next.sums.remove(base.record(entry))
      next.teams.removeKey(of: entry.team)
      gone.append(entry.digest)
      marks.append(KeyIndex.Mark(id, entry.digest))
    }
    if !base.isEmpty {
      for id in removals { takeAway(id) }
      for chunk in chunks { for key in chunk { takeAway(key.id) } }
    }
    gone.sort()
    return (gone, marks)
  }

  private func rebuild(
    _ next: inout KeySet, without gone: ContiguousArray<KeyDigest>
  ) throws(KeySetFault) -> [KeyIndex.Mark] {
    var marks: [KeyIndex.Mark] = []
    marks.reserveCapacity(putCount)
    let places = Grouped(putCount) { KeySet.shard(of: put(at: $0).digest) }
    var rest = gone[...]
    // Most shards are made anew.
    let isWhole = max(base.count, putCount) >= KeySet.largeCount && putCount + gone.count > KeySet.shardCount
    var memory = KeyMemory(isLarge: isWhole)
    if isWhole { next.looseShards = 0 }
    for number in 0..<KeySet.shardCount {
      let here = rest.prefix { KeySet.shard(of: $0) == number }
      rest = rest.dropFirst(here.count)
      guard !here.isEmpty || !places[number].isEmpty else { continue }
      var added = ContiguousArray<KeyEntry>()
      added.reserveCapacity(places[number].count)
      for place in places[number] {
        let key = put(at: Int(place))
        next.sums.add(key)
        let team = next.teams.addKey(of: key.teamID)
        added.append(KeyEntry(digest: key.digest, id: key.id, expiresAt: key.expiresAt, team: team))
        marks.append(KeyIndex.Mark(key.id, key.digest))
      }
      added.sort { $0.digest < $1.digest }
      let old = next.shards[number]
      try Self.checkDigests(added, against: old, without: here)
      let changed = old.changed(removing: here, adding: added, in: &memory)
      if !isWhole { next.looseShards += 1 }
      next.count += changed.count - old.count
      next.shards[number] = changed
    }
    return marks
  }

  private static func checkDigests(
    _ added: ContiguousArray<KeyEntry>, against shard: KeyShard, without gone: ArraySlice<KeyDigest>
  ) throws(KeySetFault) {
    for place in added.indices {
      let entry = added[place]
      if place > 0, added[place - 1].digest == entry.digest {
        throw .sameDigest(added[place - 1].id, entry.id)
      }
      guard let known = shard.view.find(entry.digest)?.pointee else { continue }
      let isGone = gone[gone.firstPlace { $0 >= entry.digest }...].first == entry.digest
      if !isGone { throw .sameDigest(known.id, entry.id) }
    }
  }
}
