import EdgeUplink
import Foundation
import StraitProtocol
import Testing

@Suite("The ledger of revocations")
struct RevocationLedgerTests {
  private let state: ConfigurationState

  init() throws {
    state = try ConfigurationState().applying([Updates.snapshot(version: 5)])
  }

  private func state(_ version: UInt64, keys: Int, lineage: Data = Updates.lineage) throws
    -> ConfigurationState
  {
    var update = Updates.snapshot(version: version, lineage: lineage)
    update.upserts = [Updates.region("eu-west"), Updates.team(3)]
    update.upserts += (0..<keys).map { Updates.key(UInt8($0 + 10), team: 3) }
    return try ConfigurationState().applying([update])
  }

  @Test("a revocation that the configuration holds already is noted and not kept")
  func known() throws {
    var ledger = RevocationLedger()
    try ledger.take(Revocations.of(key: 77, number: 3, version: 4), applied: state, stored: state, limit: 10)
    #expect(ledger.entries.isEmpty)
    #expect(ledger.number == 3)
  }

  @Test("a key that the configuration does not have yet is refused when it comes with an older version")
  func ahead() throws {
    var ledger = RevocationLedger()
    try ledger.take(Revocations.of(key: 77, number: 3, version: 9), applied: state, stored: state, limit: 10)
    #expect(ledger.subjects(beside: state) == [Revocations.key(77)])
  }

  @Test(
    "a team's revocation ends at its version, where the configuration itself says whether it is suspended")
  func team() throws {
    var ledger = RevocationLedger()
    let revocation = Revocations.of(team: 3, number: 3, version: 9, confirmed: true)
    try ledger.take(revocation, applied: state, stored: state, limit: 10)
    #expect(ledger.subjects(beside: try state(8, keys: 2)) == [Revocations.team(3)])
    // Resumed in the meantime: version 12 has the team and its keys.
    #expect(ledger.subjects(beside: try state(12, keys: 2)) == [])
  }

  @Test("what was refused is asked for again after later ones were taken, until it is confirmed or settled")
  func refused() throws {
    var ledger = RevocationLedger()
    let large = try state(5, keys: 8)
    let many = Revocations.of(team: 3, number: 7, version: 9)
    #expect(throws: RevocationFault.self) {
      try ledger.take(many, applied: large, stored: large, limit: 10)
    }
    try ledger.take(Revocations.of(key: 77, number: 9, version: 9), applied: large, stored: large, limit: 10)
    #expect(ledger.number == 9)
    #expect(ledger.resumesAt == 6)
    var confirmed = ledger
    try confirmed.take(
      Revocations.of(team: 3, number: 12, version: 9, confirmed: true), applied: large, stored: large,
      limit: 10)
    #expect(confirmed.resumesAt == 12)
    _ = ledger.prune(beside: try state(9, keys: 8))
    #expect(ledger.resumesAt == 9)
  }

  @Test("one with numbers that no database has is refused, and traps nothing")
  func impossible() throws {
    var ledger = RevocationLedger()
    let good = Revocations.of(key: 4, number: 3, version: 9)
    var ones = [good, good, good]
    ones[0].madeAt = .min
    ones[1].version = .max
    ones[2].number = .max
    for one in ones {
      #expect(throws: RevocationFault.malformed) {
        try ledger.take(one, applied: state, stored: state, limit: 10)
      }
    }
    var late = good
    late.madeAt = .max
    try ledger.take(late, applied: state, stored: state, limit: 10)
    #expect(ledger.subjects(beside: state) == [Revocations.key(4)])
  }

  @Test("what came from one database means nothing once the configuration is of another")
  func otherDatabase() throws {
    var ledger = RevocationLedger()
    try ledger.take(Revocations.of(key: 4, number: 3, version: 9), applied: state, stored: state, limit: 10)
    let other = Data(repeating: 9, count: 16)
    let next = try state(2, keys: 2, lineage: other)
    #expect(ledger.subjects(beside: next) == [Revocations.key(4)])
    ledger.leave(for: try #require(LineageID(bytes: other)))
    #expect(ledger.subjects(beside: next) == [])
    #expect(ledger.resumesAt == 0)
  }

  @Test("what the workers need no more is kept until the disk needs it no more")
  func stored() throws {
    var ledger = RevocationLedger()
    try ledger.take(Revocations.of(key: 4, number: 3, version: 9), applied: state, stored: state, limit: 10)
    let newer = try state(9, keys: 0)
    #expect(ledger.subjects(beside: newer) == [])
    let early = ledger.prune(beside: state)
    #expect(!early)
    #expect(ledger.entries.count == 1)
    let late = ledger.prune(beside: newer)
    #expect(late)
    #expect(ledger.entries.isEmpty)
  }

  @Test("what the stored configuration holds is kept for an older one that a restart may fall back on")
  func fallback() throws {
    let lineage = Array(Updates.lineage)
    let newer = try state(9, keys: 0)
    var ledger = RevocationLedger()
    try ledger.take(Revocations.of(key: 4, number: 3, version: 9), applied: state, stored: state, limit: 10)
    let old = StoredVersion(lineage: lineage, version: 8)
    let early = ledger.prune(beside: newer, fallbacks: [old])
    #expect(!early && ledger.entries.count == 1)
    #expect(ledger.subjects(beside: newer) == [] && ledger.subjects(beside: state) == [Revocations.key(4)])
    // One that comes late is kept for it too.
    try ledger.take(
      Revocations.of(key: 5, number: 4, version: 9), applied: newer, stored: newer, fallbacks: [old],
      limit: 10)
    #expect(ledger.entries.count == 2)
    let late = ledger.prune(beside: newer, fallbacks: [StoredVersion(lineage: lineage, version: 9)])
    #expect(late && ledger.entries.isEmpty)
  }

  @Test(
    "what is kept no more says below which version a configuration gives access back, one database at a time")
  func floor() throws {
    var ledger = RevocationLedger()
    try ledger.take(Revocations.of(key: 4, number: 3, version: 9), applied: state, stored: state, limit: 10)
    try ledger.take(Revocations.of(key: 5, number: 4, version: 7), applied: state, stored: state, limit: 10)
    #expect(ledger.floor == nil)
    _ = ledger.prune(beside: try state(7, keys: 0))
    #expect(ledger.floor == StoredVersion(lineage: Array(Updates.lineage), version: 7))
    let newer = try state(9, keys: 0)
    _ = ledger.prune(beside: newer)
    #expect(ledger.floor?.version == 9)
    // One that the configuration holds already is kept at no time.
    try ledger.take(Revocations.of(key: 6, number: 5, version: 8), applied: newer, stored: newer, limit: 10)
    #expect(ledger.floor?.version == 9 && ledger.entries.isEmpty)
    var other = Revocations.of(key: 7, number: 1, version: 2)
    other.lineage = Data(repeating: 9, count: 16)
    let moved = try state(3, keys: 0, lineage: other.lineage)
    try ledger.take(other, applied: moved, stored: moved, limit: 10)
    #expect(ledger.floor == StoredVersion(lineage: Array(other.lineage), version: 2))
  }

  @Test("of several that a restart may fall back on the oldest counts")
  func fallbacks() throws {
    let lineage = Array(Updates.lineage)
    let newer = try state(9, keys: 0)
    var ledger = RevocationLedger()
    try ledger.take(Revocations.of(key: 4, number: 3, version: 7), applied: state, stored: state, limit: 10)
    let (old, named) = (
      StoredVersion(lineage: lineage, version: 8), StoredVersion(lineage: lineage, version: 6)
    )
    let isGone = ledger.prune(beside: newer, fallbacks: [old, named])
    #expect(!isGone && ledger.entries.count == 1)
    let isGoneAtLast = ledger.prune(beside: newer, fallbacks: [old])
    #expect(isGoneAtLast && ledger.entries.isEmpty)
  }

  @Test(
    "a team that was resumed is counted again when all of it goes again, whatever is kept for older configurations"
  )
  func resumedTeam() throws {
    let old = StoredVersion(lineage: Array(Updates.lineage), version: 5)
    var ledger = RevocationLedger()
    // Suspended in version 7 and resumed in version 8, with eight keys.
    let few = try state(6, keys: 0)
    try ledger.take(
      Revocations.of(team: 3, number: 3, version: 7), applied: few, stored: few, fallbacks: [old], limit: 10)
    let resumed = try state(8, keys: 8)
    let isGone = ledger.prune(beside: resumed, fallbacks: [old])
    #expect(!isGone && ledger.entries.count == 1)
    #expect(!ledger.isInForce(Revocations.team(3), beside: resumed))
    #expect(throws: RevocationFault.self) {
      try ledger.take(
        Revocations.of(team: 3, number: 4, version: 9), applied: resumed, stored: resumed, fallbacks: [old],
        limit: 10)
    }
    #expect(ledger.resumesAt == 3)
    // The control: what is in force already takes nothing more away.
    try ledger.take(
      Revocations.of(team: 3, number: 4, version: 9, confirmed: true), applied: resumed, stored: resumed,
      fallbacks: [old], limit: 10)
    #expect(ledger.isInForce(Revocations.team(3), beside: resumed))
    try ledger.take(
      Revocations.of(team: 3, number: 5, version: 10), applied: resumed, stored: resumed, fallbacks: [old],
      limit: 10)
    #expect(ledger.number == 5)
  }

  @Test("says whether anything is other than before, so that nobody has to compare")
  func news() throws {
    var ledger = RevocationLedger()
    func take(_ wire: WireRevocation) throws -> Bool {
      let before = ledger
      let isNews = try ledger.take(wire, applied: state, stored: state, limit: 10)
      #expect(isNews == (ledger != before))
      return isNews
    }
    #expect(try take(Revocations.of(key: 4, number: 3, version: 9)))
    #expect(try !take(Revocations.of(key: 4, number: 3, version: 9)))
    #expect(try take(Revocations.of(key: 4, number: 3, version: 10)))
    #expect(try take(Revocations.of(key: 77, number: 4, version: 4)))
    #expect(try !take(Revocations.of(key: 78, number: 4, version: 4)))
    #expect(try take(Revocations.of(key: 78, number: 5, version: 4)))
    #expect(try take(Revocations.of(key: 78, number: 5, version: 5)), "the floor")
    var other = Revocations.of(key: 5, number: 5, version: 4)
    other.lineage = Data(repeating: 9, count: 16)
    #expect(try take(other))
  }

  @Test("a key that is there in spite of its revocation is refused while that configuration is kept")
  func fallbackWithKey() throws {
    // Keys 10 and 11 at version 9, of which 10 was revoked with version 7.
    let wrong = try state(9, keys: 2)
    var ledger = RevocationLedger()
    try ledger.take(Revocations.of(key: 10, number: 3, version: 7), applied: wrong, stored: wrong, limit: 10)
    _ = ledger.prune(beside: wrong)
    let right = try state(10, keys: 0)
    _ = ledger.prune(beside: right, fallbacks: [StoredVersion(wrong)])
    #expect(ledger.subjects(beside: right) == [] && ledger.subjects(beside: wrong) == [Revocations.key(10)])
    _ = ledger.prune(beside: right, fallbacks: [StoredVersion(right)])
    #expect(ledger.entries.isEmpty)
  }

  @Test("revocations of another database end when that database's configuration is here, and not before")
  func lineage() throws {
    var ledger = RevocationLedger()
    let other = Data(repeating: 7, count: 16)
    try ledger.take(Revocations.of(key: 4, number: 30, version: 9), applied: state, stored: state, limit: 10)
    var revocation = Revocations.of(key: 5, number: 3, version: 2)
    revocation.lineage = other
    try ledger.take(revocation, applied: state, stored: state, limit: 10)
    #expect(ledger.number == 3)
    #expect(Set(ledger.subjects(beside: state)) == [Revocations.key(4), Revocations.key(5)])
    #expect(ledger.subjects(beside: try state(1, keys: 0, lineage: other)) == [Revocations.key(5)])
  }

  @Test("single keys add up within a minute, and not over a longer time")
  func burst() throws {
    let many = try state(5, keys: 100)
    func taken(secondsApart: Int64) -> Int {
      var ledger = RevocationLedger()
      for number in 0..<100 {
        var revocation = Revocations.of(key: UInt8(number + 10), number: UInt64(number + 1), version: 9)
        revocation.madeAt += Int64(number) * secondsApart * 1_000_000
        do {
          try ledger.take(revocation, applied: many, stored: many, limit: 1000)
        } catch {
          #expect("\(error)".hasPrefix("51 of 100 keys would go at once"))
          return number
        }
      }
      return 100
    }
    // The fifty-first of a hundred within a minute is too much; two seconds apart there are thirty in a minute.
    #expect(taken(secondsApart: 0) == 50)
    #expect(taken(secondsApart: 2) == 100)
  }

  /// Of team 3 `ended` keys that have ended by the time of the revocations and `good` ones; 70 good ones of team 4.
  private func aging(ended: Int, good: Int) throws -> ConfigurationState {
    let now = Revocations.of(number: 1, version: 1).madeAt
    var update = Updates.snapshot(version: 5)
    update.upserts = [Updates.region("eu-west"), Updates.team(3), Updates.team(4)]
    for number in 0..<ended + good + 70 {
      var key = Updates.key(UInt8(number + 10), team: number < ended + good ? 3 : 4)
      if number < ended { key.key.expiresAt = now - Int64(number) }
      update.upserts.append(key)
    }
    return try ConfigurationState().applying([update])
  }

  @Test("keys that have ended are not taken away, and are none of those that there are")
  func ended() throws {
    let revocation = Revocations.of(team: 3, number: 3, version: 9)
    // 100 keys of 170 altogether, of which 14 are good beside 70 others: a sixth.
    let few = try aging(ended: 86, good: 14)
    var ledger = RevocationLedger()
    try ledger.take(revocation, applied: few, stored: few, limit: 10)
    #expect(ledger.number == 3)
    // 18 of 88 is more than a fifth, though it is little of the 188 that are here.
    let many = try aging(ended: 100, good: 18)
    let fault = #expect(throws: RevocationFault.self) {
      var ledger = RevocationLedger()
      try ledger.take(revocation, applied: many, stored: many, limit: 10)
    }
    #expect(fault == .unconfirmed(keys: 18, total: 88))
    // The control: without an end they are more than half.
    let lasting = try aging(ended: 0, good: 100)
    #expect(throws: RevocationFault.unconfirmed(keys: 100, total: 170)) {
      var ledger = RevocationLedger()
      try ledger.take(revocation, applied: lasting, stored: lasting, limit: 10)
    }
  }

  @Test("single keys that have ended add up to nothing")
  func endedBurst() throws {
    let state = try aging(ended: 100, good: 0)
    var ledger = RevocationLedger()
    for number in 0..<100 {
      try ledger.take(
        Revocations.of(key: UInt8(number + 10), number: UInt64(number + 1), version: 9), applied: state,
        stored: state, limit: 1000)
    }
    #expect(ledger.number == 100)
  }

  @Test("there is a limit to how many it holds")
  func limit() throws {
    var ledger = RevocationLedger()
    for number in UInt8(1)...3 {
      try ledger.take(
        Revocations.of(key: number, number: UInt64(number), version: 9), applied: state, stored: state,
        limit: 3)
    }
    #expect(throws: RevocationFault.full(limit: 3)) {
      try ledger.take(Revocations.of(key: 9, number: 9, version: 9), applied: state, stored: state, limit: 3)
    }
    // The same again is no more than before.
    try ledger.take(Revocations.of(key: 3, number: 10, version: 9), applied: state, stored: state, limit: 3)
    #expect(ledger.number == 10)
  }
}
