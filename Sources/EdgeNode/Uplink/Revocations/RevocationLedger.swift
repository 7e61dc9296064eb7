// What an edge knows of revocations: the last number that it took, and those that a restart would not find in the stored
// configuration. Decides only; files, streams and workers are the keeper's and the watcher's.

import StraitProtocol

package struct RevocationEntry: Sendable, Equatable {
  package var subject: RevocationSubject
  /// Of the database that it came from.
  package var lineage: LineageID
  package var number: UInt64
  /// The first version of the configuration that holds it too.
  package var version: UInt64
  package var madeAt: Int64
  package var confirmed: Bool

  package init(
    subject: RevocationSubject, lineage: LineageID, number: UInt64, version: UInt64, madeAt: Int64,
    confirmed: Bool
  ) {
    self.subject = subject
    self.lineage = lineage
    self.number = number
    self.version = version
    self.madeAt = madeAt
    self.confirmed = confirmed
  }

  /// What a database counts to.
  private static let largest = UInt64(Int64.max)

  /// - Throws: `RevocationFault` for one that this edge cannot make sense of
  init(_ wire: WireRevocation) throws(RevocationFault) {
    guard let lineage = LineageID(bytes: wire.lineage), wire.number > 0, wire.number <= Self.largest,
      wire.version <= Self.largest, wire.madeAt >= 0
    else { throw .malformed }
    switch wire.subject {
    case .keyID(let bytes):
      guard let id = KeyID(bytes: bytes) else { throw .malformed }
      subject = .key(id)
    case .teamID(let bytes):
      guard let id = TeamID(bytes: bytes) else { throw .malformed }
      subject = .team(id)
    case nil: throw .unknownSubject
    }
    self.lineage = lineage
    number = wire.number
    version = wire.version
    madeAt = wire.madeAt
    confirmed = wire.confirmed
  }
}

/// Why a revocation was not put into force, in words for the operator.
package enum RevocationFault: Error, Equatable, CustomStringConvertible {
  case malformed
  case unknownSubject
  case unconfirmed(keys: Int, total: Int)
  case full(limit: Int)

  package var description: String {
    switch self {
    case .malformed: "the revocation lacks its number, lineage or id, or one of them cannot be"
    case .unknownSubject: "the revocation is of a kind that this edge does not know; it needs a newer version"
    case .unconfirmed(let keys, let total):
      "\(keys) of \(total) keys would go at once, and nobody has confirmed that; see `strait revocation confirm`"
    case .full(let limit): "the edge holds \(limit) revocations that its configuration does not have yet"
    }
  }
}

package struct RevocationLedger: Sendable, Equatable {
  /// Of the last revocation that came.
  package private(set) var lineage = LineageID.none
  /// The last that is in force; what comes again is taken again, because nothing is lost by it.
  package private(set) var number: UInt64 = 0
  package private(set) var entries: [RevocationSubject: RevocationEntry] = [:]
  /// The highest version of what is kept no more, because the stored configuration holds it: an older configuration of
  /// that database, wherever it comes from, would give access back.
  package private(set) var floor: StoredVersion?
  /// By number, what was not put into force; nothing known of one that made no sense. To be sent again after a restart
  /// or a reconnect, so that the control plane hears of the refusal again, until it is settled.
  private var refused: [UInt64: RevocationEntry?] = [:]
  /// What went lately without a confirmation, for the cap.
  private var recent: [Departure] = []

  private struct Departure: Sendable, Equatable {
    var madeAt: Int64
    var keys: Int
    /// Keys that were good before it.
    var total: Int
  }

  /// Keys that had ended, of so many: counting takes a look at all, which is not worth it for each of many revocations.
  private var ended: Ended?

  private struct Ended: Sendable, Equatable {
    var at: Int64
    var count: Int
    var among: Int
  }

  package init() {}

  init(lineage: LineageID, number: UInt64, floor: StoredVersion?, entries: [RevocationEntry]) {
    self.lineage = lineage
    self.number = number
    self.floor = floor
    for entry in entries { self.entries[entry.subject] = entry }
  }

  /// Behind what the control plane is to send again: everything from the first refusal on.
  package var resumesAt: UInt64 { min(number, (refused.keys.min() ?? .max) - 1) }

  /// Takes a revocation in, so that it is among the entries from now on where the stored configuration does not hold it.
  /// - Returns: whether anything is other than before. A fault may change what is to be sent again.
  @discardableResult
  package mutating func take(
    _ wire: WireRevocation, applied: ConfigurationState, stored: ConfigurationState,
    fallbacks: [StoredVersion] = [], limit: Int
  ) throws(RevocationFault) -> Bool {
    let before = (lineage, number, refused.count)
    let entry: RevocationEntry
    do throws(RevocationFault) {
      entry = try RevocationEntry(wire)
    } catch {
      owe(nil, number: wire.number, limit: limit)
      throw error
    }
    let isNews: Bool
    if Self.isNeeded(entry, beside: stored, lane: entry.lineage)
      || Self.isNeeded(entry, besideAny: fallbacks, lane: entry.lineage)
    {
      do throws(RevocationFault) {
        guard entries[entry.subject] != nil || entries.count < limit else { throw .full(limit: limit) }
        // What an entry of before only keeps from an older configuration on disk may go once more by now.
        if !entry.confirmed, !isInForce(entry.subject, beside: applied) { try count(entry, in: applied) }
      } catch {
        owe(entry, number: entry.number, limit: limit)
        throw error
      }
      isNews = keep(entry)
    } else {
      isNews = raiseFloor(to: entry)
    }
    if lineage == entry.lineage {
      number = max(number, entry.number)
      refused = refused.filter { $0.key != entry.number && $0.value?.subject != entry.subject }
    } else {
      number = entry.number
      refused = refused.filter { $0.value?.lineage == entry.lineage && $0.value?.subject != entry.subject }
    }
    lineage = entry.lineage
    return isNews || before != (lineage, number, refused.count)
  }

  /// Of more than `limit` the later ones need no mark: they are sent again with the first.
  private mutating func owe(_ entry: RevocationEntry?, number: UInt64, limit: Int) {
    if number > 0, refused.count < limit { refused[number] = .some(entry) }
  }

  /// The configuration is of another database than the one that revoked so far.
  package mutating func leave(for lineage: LineageID) {
    self.lineage = lineage
    number = 0
    refused = [:]
  }

  /// Of two for one subject the later one stays longer.
  /// - Returns: whether that is another than before
  private mutating func keep(_ entry: RevocationEntry) -> Bool {
    let known = entries[entry.subject]
    if let known, known.lineage == entry.lineage, known.version > entry.version { return false }
    entries[entry.subject] = entry
    return known != entry
  }

  /// - Returns: whether it was lower
  @discardableResult
  private mutating func raiseFloor(to entry: RevocationEntry) -> Bool {
    if let floor, floor.lineage == entry.lineage.bytes, floor.version >= entry.version { return false }
    floor = StoredVersion(lineage: entry.lineage.bytes, version: entry.version)
    return true
  }

  /// - Throws: where too many keys would go without a confirmation
  private mutating func count(
    _ entry: RevocationEntry, in configuration: ConfigurationState
  ) throws(RevocationFault) {
    // As the control plane counted them then, so that both come to the same.
    let keys = configuration.keyCount(under: entry.subject, now: entry.madeAt)
    guard keys > 0 else { return }
    recent.removeAll { !Self.isOfOneBurst($0.madeAt, entry.madeAt) }
    let recently = recent.reduce(0) { $0 + $1.keys }
    // Those that went lately may have left the configuration already.
    let good = goodKeys(in: configuration.keys, at: entry.madeAt, lacking: keys + recently)
    let before = max(good, recent.first?.total ?? 0)
    let total = max(keys, before - recently)
    guard !RevocationCap.needsConfirmation(of: keys, recently: recently, total: total) else {
      throw .unconfirmed(keys: keys + recently, total: before)
    }
    recent.append(Departure(madeAt: entry.madeAt, keys: keys, total: before))
  }

  /// - Parameter gone: how many fewer keys the configuration may have since the ended ones were counted
  private mutating func goodKeys(in keys: KeySet, at now: Int64, lacking gone: Int) -> Int {
    guard let ended, Self.isOfOneBurst(ended.at, now), keys.count >= ended.among - gone else {
      let good = keys.liveCounts(now: now).all
      ended = Ended(at: now, count: keys.count - good, among: keys.count)
      return good
    }
    return max(0, keys.count - ended.count)
  }

  private static func isOfOneBurst(_ one: Int64, _ other: Int64) -> Bool {
    abs(one - other) <= Int64(RevocationCap.burstSeconds) * 1_000_000
  }

  /// Whether the subject is refused beside the configuration that is in force.
  package func isInForce(_ subject: RevocationSubject, beside applied: ConfigurationState) -> Bool {
    entries[subject].map { Self.isNeeded($0, beside: applied, lane: lineage) } ?? false
  }

  /// What is to be refused beside the configuration that is in force.
  package func subjects(beside applied: ConfigurationState) -> [RevocationSubject] {
    entries.values.filter { Self.isNeeded($0, beside: applied, lane: lineage) }.map(\.subject)
  }

  /// Drops what the stored configuration holds by itself, and those that a restart may fall back on.
  /// - Returns: whether there was any, or any is to stay longer
  package mutating func prune(beside stored: ConfigurationState, fallbacks: [StoredVersion] = []) -> Bool {
    let before = refused.count
    var isNews = false
    refused = refused.filter {
      $0.value.map { Self.isNeeded($0, beside: stored, lane: lineage) } ?? true
    }
    var gone: [RevocationEntry] = []
    entries = entries.compactMapValues { entry in
      guard Self.isNeeded(entry, beside: stored, lane: lineage) else {
        if Self.isNeeded(entry, besideAny: fallbacks, lane: lineage) { return entry }
        gone.append(entry)
        return nil
      }
      // It has come so far and has the key all the same: nothing before the next version lacks it.
      guard stored.version >= entry.version, entry.lineage.bytes == stored.lineage else { return entry }
      var later = entry
      later.version = stored.version + 1
      isNews = true
      return later
    }
    // What another database revoked means nothing to this one's configurations.
    for entry in gone where entry.lineage == lineage { raiseFloor(to: entry) }
    return isNews || !gone.isEmpty || refused.count != before
  }

  /// Of older configurations on disk nothing is known but how far they have come.
  private static func isNeeded(
    _ entry: RevocationEntry, besideAny fallbacks: [StoredVersion], lane: LineageID
  ) -> Bool {
    fallbacks.contains { fallback in
      guard entry.lineage.bytes == fallback.lineage else { return entry.lineage == lane }
      return fallback.version < entry.version
    }
  }

  /// A key's revocation is needed until the configuration has come so far and lacks the key. A team's is needed until
  /// the configuration has come so far: from there on it knows whether the team is suspended, and which keys it has.
  private static func isNeeded(
    _ entry: RevocationEntry, beside configuration: ConfigurationState, lane: LineageID
  ) -> Bool {
    guard configuration.version > 0 else { return true }
    guard entry.lineage.bytes == configuration.lineage else {
      // The lane is ahead of the configuration at the first contact with another database; what came from the one
      // before means nothing there.
      return entry.lineage == lane
    }
    guard configuration.version >= entry.version else { return true }
    switch entry.subject {
    case .key(let id): return configuration.keys.contains(id)
    case .team: return false
    }
  }
}
