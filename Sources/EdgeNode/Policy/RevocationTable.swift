// Keys and teams that are refused whatever the configuration says: nearly always none, never many, made once and handed
// over whole.

import StraitProtocol

/// Owns the memory that a `RevocationLookup` reads.
package final class RevocationTable: Sendable {
  package static let empty = RevocationTable([])

  let lookup: RevocationLookup
  package let count: Int

  package init(_ subjects: some Sequence<RevocationSubject>) {
    var keys = [IdentifierWords]()
    var teams = [IdentifierWords]()
    for subject in subjects {
      switch subject {
      case .key(let id): keys.append(IdentifierWords(high: id.high, low: id.low))
      case .team(let id): teams.append(IdentifierWords(high: id.high, low: id.low))
      }
    }
    lookup = RevocationLookup(keys: IdentifierSlots(keys), teams: IdentifierSlots(teams))
    count = keys.count + teams.count
  }

  package func refuses(key: KeyID, of team: TeamID) -> Bool { lookup.refuses(key: key, of: team) }

  deinit {
    lookup.keys.free()
    lookup.teams.free()
  }
}

/// What a worker asks, without a lock and without counting references: good for as long as its table is held.
struct RevocationLookup: BitwiseCopyable, Sendable {
  fileprivate let keys: IdentifierSlots
  fileprivate let teams: IdentifierSlots

  var isEmpty: Bool { keys.isEmpty && teams.isEmpty }

  func refuses(_ caller: Caller) -> Bool { refuses(key: caller.keyID, of: caller.teamID) }

  func refuses(key: KeyID, of team: TeamID) -> Bool {
    keys.contains(key.high, key.low) || teams.contains(team.high, team.low)
  }
}

private struct IdentifierWords: BitwiseCopyable {
  var high: UInt64
  var low: UInt64
}

/// Identifiers by open addressing, at most half full. All zero is an empty place: no identifier is all zero.
private struct IdentifierSlots: BitwiseCopyable, @unchecked Sendable {
  // Written once, in init; afterwards only read, by any thread.
  private let slots: UnsafeMutablePointer<IdentifierWords>?
  private let mask: Int

  init(_ identifiers: [IdentifierWords]) {
    guard !identifiers.isEmpty else {
      slots = nil
      mask = 0
      return
    }
    var capacity = 16
    while capacity < identifiers.count * 2 { capacity *= 2 }
    let slots = UnsafeMutablePointer<IdentifierWords>.allocate(capacity: capacity)
    slots.initialize(repeating: IdentifierWords(high: 0, low: 0), count: capacity)
    for words in identifiers {
      var index = Self.hash(words.high, words.low) & (capacity - 1)
      while slots[index].high | slots[index].low != 0 { index = (index + 1) & (capacity - 1) }
      slots[index] = words
    }
    self.slots = slots
    mask = capacity - 1
  }

  var isEmpty: Bool { slots == nil }

  func contains(_ high: UInt64, _ low: UInt64) -> Bool {
    guard let slots else { return false }
    var index = Self.hash(high, low) & mask
    while slots[index].high | slots[index].low != 0 {
      if slots[index].high == high, slots[index].low == low { return true }
      index = (index + 1) & mask
    }
    return false
  }

  func free() { slots?.deallocate() }

  /// The low word is random but for its two highest bits; mixed all the same, because ids come from outside.
  private static func hash(_ high: UInt64, _ low: UInt64) -> Int {
    Int(truncatingIfNeeded: ((low ^ high &* 0x9E37_79B9_7F4A_7C15) &* 0xD6E8_FEB8_6659_FD93) >> 32)
  }
}
