// What an edge doubts. An update may hold together and be wrong all the same: half of a database that was read, a script
// that removed too much, a value of a newer version. What is doubtful is refused whole, and the edge keeps what it has.

import Foundation

package struct ConfigurationReview: Sendable {
  /// Of what stood, as much may go at once without a question.
  static let goneFraction = 0.2
  /// Fewer than these may go at once whatever the fraction: small installations are changed by hand.
  static let fewKeys = 100
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
    try compare(standing.offers, next.offers, "offers", confirmed: confirmed.offers)
    try compare(standing.teams, next.teams, "teams", confirmed: confirmed.teams)
    let resumed = standing.teams.values.reduce(0) { sum, team in
      guard team.suspended, let id = TeamID(bytes: team.id), next.teams[id]?.suspended == false else {
        return sum
      }
      return sum + next.keys.teams.keyCount(of: id)
    }
    try compareKeys(standing.keys, next.keys, resumed: resumed, now: now, confirmed: confirmed.keys)
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

  private func compare<ID: Hashable, Resource>(
    _ standing: [ID: Resource], _ next: [ID: Resource], _ kind: String, confirmed: UInt64
  ) throws(ConfigurationFault) {
    guard !standing.isEmpty else { return }
    let gone = standing.keys.reduce(0) { $0 + (next[$1] == nil ? 1 : 0) }
    // Nothing where something stood is doubtful however little it was.
    guard !next.isEmpty || gone <= confirmed else {
      throw .doubtful("all \(gone) \(kind) would be gone\(Self.words(confirmed))")
    }
    try judge(gone: gone, of: standing.count, few: Self.fewResources, kind, confirmed: confirmed)
    guard next.count <= max(Self.manyResources, standing.count * 2) else {
      throw .doubtful("there would be \(next.count) \(kind) where there are \(standing.count)")
    }
  }

  /// - Parameter resumed: keys of teams that are suspended no more, which come back all at once
  private func compareKeys(
    _ standing: KeySet, _ next: KeySet, resumed: Int, now: Int64, confirmed: UInt64
  ) throws(ConfigurationFault) {
    var gone = 0
    for shard in 0..<KeySet.shardCount where !standing.sharesShard(shard, with: next) {
      standing.forEach(inShard: shard) { key in
        if next[key.digest] == nil, !next.contains(key.id), key.expiresAt > now, !isRevoked(key) { gone += 1 }
      }
    }
    if gone >= Self.fewKeys {
      // What has ended by itself is neither missed nor a reason to miss less.
      let count = standing.liveCounts(now: now).all
      try judge(gone: gone, of: count, few: Self.fewKeys, "keys", confirmed: confirmed)
    }
    guard next.count - resumed <= max(Self.manyKeys, standing.count * 2) else {
      throw .doubtful("there would be \(next.count) keys where there are \(standing.count)")
    }
  }

  private func judge(
    gone: Int, of count: Int, few: Int, _ kind: String, confirmed: UInt64
  ) throws(ConfigurationFault) {
    guard gone >= few, Double(gone) > Double(count) * Self.goneFraction, gone > confirmed else { return }
    let what =
      gone == count
      ? "all \(count) \(kind) would be gone" : "\(gone) of \(count) \(kind) would be gone at once"
    throw .doubtful(what + Self.words(confirmed))
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
