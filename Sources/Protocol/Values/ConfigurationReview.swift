// What an edge doubts. An update may hold together and be wrong all the same: half of a database that was read, a script
// that removed too much, a value of a newer version. What is doubtful is refused whole, and the edge keeps what it has.

import Foundation

package struct ConfigurationReview: Sendable {
  /// Of what stood, as much may go at once without a question.
  static let goneFraction = 0.2
  /// Fewer than these may go at once whatever the fraction: small installations are changed by hand.
  static let fewKeys = 100
  /// Of fewer resources than these one may go, or as many as stay.
  static let fewResources = 10
  /// Beyond these, more than twice as much as stood is doubtful.
  static let manyKeys = 10_000
  static let manyResources = 100

  /// Keys that are known to be revoked do not count as gone.
  package var isRevoked: @Sendable (KeyRecord) -> Bool = { _ in false }

  package init() {}

  // MARK: One part by itself

  package func check(_ part: WireConfigurationUpdate) throws(ConfigurationFault) {
    guard part.unknownFields.data.isEmpty else { throw .unknown("field in the update") }
    guard part.lineage.count == 16 else { throw .malformed("no lineage of 16 bytes") }
    guard part.version > 0, part.version <= UInt64(Int64.max) else {
      throw .malformed("version \(part.version), which none can be")
    }
    guard part.contentHash.isEmpty || part.contentHash.count == 32 else {
      throw .malformed("a content hash of \(part.contentHash.count) bytes")
    }
    guard part.confirmedRemovals.unknownFields.data.isEmpty else {
      throw .unknown("field in the confirmed removals")
    }
    for resource in part.upserts { try check(resource) }
    for reference in part.removals where !reference.unknownFields.data.isEmpty {
      throw .unknown("field in a removal")
    }
  }

  private func check(_ resource: WireResource) throws(ConfigurationFault) {
    guard resource.unknownFields.data.isEmpty else { throw .unknown("kind of resource") }
    switch resource.kind {
    case .region(let region): try check(region)
    case .upstream(let upstream): try check(upstream)
    case .offer(let offer): try check(offer)
    case .team(let team): try check(team)
    case .key(let key):
      guard key.unknownFields.data.isEmpty else { throw .unknown("field in a key") }
    case nil: break
    }
  }

  private func check(_ region: WireRegion) throws(ConfigurationFault) {
    guard region.unknownFields.data.isEmpty else { throw .unknown("field in region \(shown(region.name))") }
    try checkName(region.name, 63, "a region's name")
    try checkText(region.jurisdiction, 63, "the jurisdiction of region \(shown(region.name))")
    try checkText(region.title, 200, "the title of region \(shown(region.name))")
  }

  private func check(_ upstream: WireUpstream) throws(ConfigurationFault) {
    try checkName(upstream.name, 63, "an upstream's name")
    let whose = "upstream \(upstream.name)"
    guard upstream.unknownFields.data.isEmpty else { throw .unknown("field in \(whose)") }
    switch upstream.protocol {
    case .http1, .http2: break
    case .negotiated where upstream.origin.hasPrefix("https://"): break
    case .negotiated: throw .malformed("\(whose), whose protocol is negotiated, which needs https")
    case .unspecified: throw .malformed("\(whose) without a protocol")
    case .UNRECOGNIZED: throw .unknown("protocol of \(whose)")
    }
    try checkOrigin(upstream.origin, whose)
    guard upstream.pathPrefix.isEmpty || upstream.pathPrefix.hasPrefix("/") else {
      throw .malformed("\(whose), whose path prefix does not begin with a slash")
    }
    try checkVisible(Data(upstream.pathPrefix.utf8), 200, "the path prefix of \(whose)")
    try checkCredential(of: upstream, whose)
    guard upstream.caPem.utf8.count <= 1 << 18 else { throw .malformed("\(whose) with a CA of over 256 KiB") }
    guard upstream.caPem.isEmpty || upstream.caPem.contains("-----BEGIN CERTIFICATE-----") else {
      throw .malformed("\(whose) with a CA that holds no certificate")
    }
  }

  private func checkOrigin(_ origin: String, _ whose: String) throws(ConfigurationFault) {
    let schemes = ["https://", "http://"]
    guard let scheme = schemes.first(where: origin.hasPrefix), origin.utf8.count > scheme.utf8.count else {
      throw .malformed("\(whose), whose origin is not http:// or https:// and a host")
    }
    let host = origin.dropFirst(scheme.count)
    guard !host.contains(where: { "/?#@".contains($0) }) else {
      throw .malformed("\(whose), whose origin has more than a host and a port")
    }
    try checkVisible(Data(origin.utf8), 300, "the origin of \(whose)")
  }

  private func checkCredential(of upstream: WireUpstream, _ whose: String) throws(ConfigurationFault) {
    switch upstream.credentialStyle {
    case .none:
      guard upstream.credential.isEmpty else {
        throw .malformed("\(whose) with a credential that it does not use")
      }
    case .bearer, .apiKey:
      guard !upstream.credential.isEmpty else {
        throw .malformed("\(whose) without the credential that it needs")
      }
    case .unspecified: throw .malformed("\(whose) without a credential style")
    case .UNRECOGNIZED: throw .unknown("credential style of \(whose)")
    }
    try checkVisible(upstream.credential, 16_384, "the credential of \(whose)")
  }

  private func check(_ offer: WireOffer) throws(ConfigurationFault) {
    try checkName(offer.model, 200, "a model's name")
    let whose = "the offer of \(offer.model)"
    guard offer.unknownFields.data.isEmpty else { throw .unknown("field in \(whose)") }
    try checkText(offer.upstreamModel, 200, "the upstream's name in \(whose)")
    switch offer.dialect {
    case .openai, .anthropic: break
    case .unspecified: throw .malformed("\(whose), which has no dialect")
    case .UNRECOGNIZED: throw .unknown("dialect in \(whose)")
    }
    guard offer.weight <= UInt32(Int32.max) else {
      throw .malformed("\(whose), whose weight is \(offer.weight)")
    }
  }

  private func check(_ team: WireTeam) throws(ConfigurationFault) {
    guard team.unknownFields.data.isEmpty else { throw .unknown("field in team \(shown(team.name))") }
    guard team.accountID.isEmpty || team.accountID.count == 16 else {
      throw .malformed("team \(shown(team.name)), whose account's id is not of 16 bytes")
    }
    try checkText(team.name, 63, "a team's name")
  }

  // MARK: A whole configuration beside the one that stands

  /// - Parameters:
  ///   - now: microseconds since 1970; keys that have expired are not missed
  ///   - confirmed: what an operator said is meant to go; of no use to an edge that stands on another version
  package func check(
    _ next: ConfigurationState, after standing: ConfigurationState, now: Int64,
    confirmed: WireConfirmedRemovals = WireConfirmedRemovals()
  ) throws(ConfigurationFault) {
    let confirmed = confirmed.since == standing.version ? confirmed : WireConfirmedRemovals()
    if next.catalogueRevision != standing.catalogueRevision { try checkCatalogue(next) }
    guard standing.version > 0, next.lineage == standing.lineage else { return }
    guard next.version >= standing.version else {
      throw .versionGoesBack(have: standing.version, offered: next.version)
    }
    try compare(standing.regions, next.regions, "regions", confirmed: confirmed.regions)
    try compare(standing.upstreams, next.upstreams, "upstreams", confirmed: confirmed.upstreams)
    // Who asks for a model is not served by an offer that has another name now.
    try compare(standing.offers, next.offers, "offers", confirmed: confirmed.offers) {
      $0.model == $1.model && $0.dialect == $1.dialect
    }
    try compare(standing.teams, next.teams, "teams", confirmed: confirmed.teams)
    try compareKeys(standing, next, now: now, confirmed: confirmed.keys)
  }

  private func checkCatalogue(_ next: ConfigurationState) throws(ConfigurationFault) {
    var names: Set<String> = []
    for upstream in next.upstreams.values where !names.insert(upstream.name).inserted {
      throw .doubtful("two upstreams have the name \(upstream.name)")
    }
    var served: Set<[Data]> = []
    for offer in next.offers.values {
      let what = [
        Data(offer.model.utf8), offer.upstreamID, Data([UInt8(truncatingIfNeeded: offer.dialect.rawValue)]),
      ]
      guard served.insert(what).inserted else {
        throw .doubtful("two offers of \(offer.model) are of one upstream and dialect")
      }
    }
  }

  /// - Parameter isSame: whether what is there still is what was there, under one id
  private func compare<ID: Hashable, Resource>(
    _ standing: [ID: Resource], _ next: [ID: Resource], _ kind: String, confirmed: UInt64,
    isSame: (Resource, Resource) -> Bool = { _, _ in true }
  ) throws(ConfigurationFault) {
    guard !standing.isEmpty else { return }
    let gone = standing.reduce(0) { count, one in
      next[one.key].map { isSame(one.value, $0) } == true ? count : count + 1
    }
    // Nothing where something stood is doubtful however little it was.
    guard !next.isEmpty || gone <= confirmed else {
      throw .doubtful("all \(gone) \(kind) would be gone\(Self.words(confirmed))")
    }
    let isMuch =
      gone >= Self.fewResources
      ? Self.isMuch(gone, of: standing.count) : gone > 1 && gone * 2 > standing.count
    if isMuch, gone > confirmed { throw doubt(gone, of: standing.count, kind, confirmed) }
    guard next.count <= max(Self.manyResources, standing.count * 2) else {
      throw .doubtful("there would be \(next.count) \(kind) where there are \(standing.count)")
    }
  }

  private func compareKeys(
    _ standing: ConfigurationState, _ next: ConfigurationState, now: Int64, confirmed: UInt64
  ) throws(ConfigurationFault) {
    let changes = SuspensionChanges(from: standing, to: next)
    let lost = lostKeys(standing, next, suspended: changes.suspended, now: now)
    if lost.count >= Self.fewKeys {
      // What has ended by itself is neither missed nor a reason to miss less.
      let count = standing.keys.liveCounts(now: now).all
      if Self.isMuch(lost.count, of: count), lost.count > confirmed {
        throw doubt(lost.count, of: count, "keys", confirmed, why: lost.words)
      }
    }
    // Those of a team that is suspended no more come back all at once.
    let resumed = changes.resumed.reduce(0) { $0 + next.keys.teams.keyCount(of: $1) }
    guard next.keys.count - resumed <= max(Self.manyKeys, standing.keys.count * 2) else {
      throw .doubtful("there would be \(next.keys.count) keys where there are \(standing.keys.count)")
    }
  }

  /// Keys that are good and would be refused. Costs what the change costs, but for a suspension of teams that have much.
  private func lostKeys(
    _ standing: ConfigurationState, _ next: ConfigurationState, suspended: Set<TeamID>, now: Int64
  ) -> LostKeys {
    var lost = LostKeys()
    func isMissed(_ key: KeyRecord) -> Bool {
      key.expiresAt > now && !isRevoked(key) && standing.teams[key.teamID]?.suspended != true
    }
    for shard in 0..<KeySet.shardCount where !standing.keys.sharesShard(shard, with: next.keys) {
      standing.keys.forEach(inShard: shard) { key in
        // A key under its old name with another secret is another key.
        guard let later = next.keys[key.digest] else {
          if isMissed(key) { lost.removed += 1 }
          return
        }
        if later.expiresAt <= now {
          if isMissed(key) { lost.ended += 1 }
        } else if suspended.contains(later.teamID)
          || (later.teamID != key.teamID && next.teams[later.teamID]?.suspended == true)
        {
          if isMissed(key) { lost.suspended += 1 }
        }
      }
    }
    // A team that is suspended in order has no keys left: it needs no look at all the others.
    let atMost = suspended.reduce(0) {
      $0 + min(standing.keys.teams.keyCount(of: $1), next.keys.teams.keyCount(of: $1))
    }
    guard atMost > 0, lost.count + atMost >= Self.fewKeys else { return lost }
    for shard in 0..<KeySet.shardCount where standing.keys.sharesShard(shard, with: next.keys) {
      standing.keys.forEach(inShard: shard) { key in
        if suspended.contains(key.teamID), isMissed(key) { lost.suspended += 1 }
      }
    }
    return lost
  }

  private static func isMuch(_ gone: Int, of count: Int) -> Bool {
    Double(gone) > Double(count) * goneFraction
  }

  private func doubt(
    _ gone: Int, of count: Int, _ kind: String, _ confirmed: UInt64, why: String = ""
  ) -> ConfigurationFault {
    let what =
      gone == count
      ? "all \(count) \(kind) would be gone" : "\(gone) of \(count) \(kind) would be gone at once"
    return .doubtful(what + why + Self.words(confirmed))
  }

  private static func words(_ confirmed: UInt64) -> String {
    confirmed == 0 ? "" : ", of which \(confirmed) are confirmed"
  }

  // MARK: Texts

  private func checkName(_ text: String, _ limit: Int, _ what: String) throws(ConfigurationFault) {
    guard !text.isEmpty else { throw .malformed("\(what) that is empty") }
    try checkText(text, limit, what)
  }

  private func checkText(_ text: String, _ limit: Int, _ what: String) throws(ConfigurationFault) {
    guard text.utf8.count <= limit else { throw .malformed("\(what) of more than \(limit) bytes") }
    guard !text.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
      throw .malformed("\(what) with a control character")
    }
  }

  /// What a header or a request line can carry.
  private func checkVisible(_ bytes: Data, _ limit: Int, _ what: String) throws(ConfigurationFault) {
    guard bytes.count <= limit else { throw .malformed("\(what) of more than \(limit) bytes") }
    guard bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
      throw .malformed("\(what) with a character that a request cannot carry")
    }
  }

  /// For words about a text that has not been checked.
  private func shown(_ text: String) -> String {
    String(text.unicodeScalars.prefix(63).map { $0.value < 0x20 ? " " : Character($0) })
  }
}

/// Teams that are suspended by a change, and those that are no more.
private struct SuspensionChanges {
  private(set) var suspended: Set<TeamID> = []
  private(set) var resumed: Set<TeamID> = []

  init(from standing: ConfigurationState, to next: ConfigurationState) {
    guard next.teamsRevision != standing.teamsRevision else { return }
    for (id, team) in next.teams {
      let before = standing.teams[id]
      if team.suspended, before?.suspended != true { suspended.insert(id) }
      if !team.suspended, before?.suspended == true { resumed.insert(id) }
    }
  }
}

private struct LostKeys {
  var removed = 0
  var suspended = 0
  var ended = 0

  var count: Int { removed + suspended + ended }

  /// How they would be lost, where it is not that they are not there any more.
  var words: String {
    let ways = [(suspended, "suspended with their team"), (ended, "ended by a change")].filter { $0.0 > 0 }
    return ways.isEmpty ? "" : " (" + ways.map { "\($0.0) \($0.1)" }.joined(separator: ", ") + ")"
  }
}
