// An update on its way into a configuration: part by part, because a million keys do not come in one message, and in force
// only when the last part has been taken and everything holds together.

import Foundation

package struct ConfigurationEdit: Sendable {
  private var next: ConfigurationState
  private var keys: KeySetEdit
  /// What the update has named so far, keys apart.
  private var named: Set<Named> = []
  private var isComplete = false
  /// What the last part says that everything comes to.
  private var expected: (hash: Data, fromDay: UInt32) = (Data(), 0)
  private let catalogueBefore: Revision

  private enum Named: Hashable {
    case region(String)
    case upstream(UpstreamID)
    case offer(OfferID)
    case team(TeamID)
  }

  /// - Parameter first: the first part, which is not taken yet
  package init(
    of state: ConfigurationState, beginning first: WireConfigurationUpdate
  ) throws(ConfigurationFault) {
    next = state
    if first.fromVersion == 0 {
      next = ConfigurationState()
      next.lineage = Array(first.lineage)
    } else {
      guard Array(first.lineage) == state.lineage else { throw .otherLineage }
      guard first.fromVersion == state.version else {
        throw .gap(have: state.version, from: first.fromVersion)
      }
      guard first.version >= state.version else {
        throw .versionGoesBack(have: state.version, offered: first.version)
      }
    }
    next.version = first.version
    catalogueBefore = next.catalogueRevision
    keys = KeySetEdit(of: next.keys)
  }

  /// Resources and removals taken so far.
  package var size: Int { named.count + keys.putCount + keys.removalCount }

  package mutating func take(_ part: WireConfigurationUpdate) throws(ConfigurationFault) {
    isComplete = part.last
    expected = (part.contentHash, part.hashedFromDay)
    for resource in part.upserts { try insert(resource) }
    guard part.packedKeys.count % KeyRecord.packedBytes == 0 else {
      throw .malformed("packed keys that end in the middle of one")
    }
    try PackedKeys.forEach(in: part.packedKeys) { (key: KeyRecord) throws(ConfigurationFault) in
      try put(key)
    }
    for reference in part.removals { try remove(reference) }
  }

  /// The configuration after the update.
  package consuming func finished() throws(ConfigurationFault) -> ConfigurationState {
    guard isComplete else { throw .incomplete }
    if keys.putCount + keys.removalCount > 0 {
      do throws(KeySetFault) {
        next.keys = try keys.finished()
      } catch {
        throw error.inUpdate
      }
    }
    if next.catalogueRevision != catalogueBefore { try next.checkCatalogue() }
    try next.checkTeams()
    guard expected.hash.isEmpty || Array(expected.hash) == next.contentHash(fromDay: expected.fromDay) else {
      throw .otherContent
    }
    return next
  }

  private mutating func insert(_ resource: WireResource) throws(ConfigurationFault) {
    switch resource.kind {
    case .region(let region):
      guard !region.name.isEmpty else { throw .malformed("a region without a name") }
      try name(.region(region.name), "region \(region.name)")
      try count(region, insteadOf: next.regions.updateValue(region, forKey: region.name))
    case .upstream(let upstream):
      guard let id = UpstreamID(bytes: upstream.id) else { throw .malformed("an upstream without an id") }
      try name(.upstream(id), "upstream \(upstream.name)")
      try count(upstream, insteadOf: next.upstreams.updateValue(upstream, forKey: id))
    case .offer(let offer):
      guard let id = OfferID(bytes: offer.id), !offer.model.isEmpty else {
        throw .malformed("an offer without an id")
      }
      try name(.offer(id), "the offer \(id) of \(offer.model)")
      try count(offer, insteadOf: next.offers.updateValue(offer, forKey: id))
    case .team(let team):
      guard let id = TeamID(bytes: team.id) else { throw .malformed("a team without an id") }
      try name(.team(id), "team \(id)")
      try count(team, insteadOf: next.teams.updateValue(team, forKey: id))
    case .key(let key):
      guard let record = KeyRecord(key) else {
        throw .malformed("a key without an id, a team's id or a digest of 32 bytes")
      }
      try put(record)
    case nil:
      throw .malformed("a resource of a kind that this edge does not know")
    }
  }

  private mutating func remove(_ reference: WireResourceReference) throws(ConfigurationFault) {
    switch reference.kind {
    case .region(let region):
      try name(.region(region), "region \(region)")
      try count(nil, insteadOf: next.regions.removeValue(forKey: region))
    case .upstream(let bytes):
      let id: UpstreamID = try identifier(bytes)
      try name(.upstream(id), "upstream \(id)")
      try count(nil, insteadOf: next.upstreams.removeValue(forKey: id))
    case .offer(let bytes):
      let id: OfferID = try identifier(bytes)
      try name(.offer(id), "offer \(id)")
      try count(nil, insteadOf: next.offers.removeValue(forKey: id))
    case .team(let bytes):
      let id: TeamID = try identifier(bytes)
      try name(.team(id), "team \(id)")
      try count(nil, insteadOf: next.teams.removeValue(forKey: id))
    case .key(let bytes): keys.remove(try identifier(bytes))
    case nil: throw .malformed("a removal of a kind that this edge does not know")
    }
  }

  private mutating func count<Resource: CountedResource>(
    _ resource: Resource?, insteadOf before: Resource?
  ) throws(ConfigurationFault) {
    do {
      if let before { next.resourceSum -= try ContentSum(before) }
      if let resource { next.resourceSum += try ContentSum(resource) }
    } catch {
      throw .malformed("a resource that cannot be encoded again")
    }
  }

  private mutating func put(_ key: KeyRecord) throws(ConfigurationFault) {
    guard key.expiresAt >= 0 else { throw .malformed("a key that expired before 1970") }
    keys.put(key)
  }

  /// What is named twice is one mistake or another, whichever of the two is meant.
  private mutating func name(_ resource: Named, _ words: @autoclosure () -> String)
    throws(ConfigurationFault)
  {
    guard named.insert(resource).inserted else { throw .duplicate(words()) }
    if case .team = resource {
      next.teamsRevision = .new()
    } else {
      next.catalogueRevision = .new()
    }
  }

  /// What cannot be understood must not count as removed: a key would live on.
  private func identifier<Subject>(
    _ bytes: some Collection<UInt8>
  ) throws(ConfigurationFault) -> Identifier<Subject> {
    guard let id = Identifier<Subject>(bytes: bytes) else { throw .malformed("a removal without an id") }
    return id
  }
}

extension KeySetFault {
  fileprivate var inUpdate: ConfigurationFault {
    switch self {
    case .sameIdentifier(let id): .duplicate("key \(id)")
    case .sameDigest(let one, let other): .malformed("two keys of one digest: \(one) and \(other)")
    }
  }
}

extension ConfigurationState {
  fileprivate func checkCatalogue() throws(ConfigurationFault) {
    for upstream in upstreams.values where regions[upstream.region] == nil {
      throw .dangling("upstream \(upstream.name) names region \(upstream.region), which does not exist")
    }
    for offer in offers.values {
      guard let upstream = UpstreamID(bytes: offer.upstreamID), upstreams[upstream] != nil else {
        throw .dangling("an offer of \(offer.model) names an upstream that does not exist")
      }
    }
  }

  fileprivate func checkTeams() throws(ConfigurationFault) {
    for team in keys.teams.teams where teams[team] == nil {
      throw .dangling("a key names a team that does not exist")
    }
  }
}
