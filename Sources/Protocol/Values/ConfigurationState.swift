// The configuration that an edge runs on: a version and its resources, taken from one version to the next by updates
// that are checked whole before any of them counts.

/// A whole configuration. A value: an update makes a new one and leaves the old as it was.
package struct ConfigurationState: Sendable, Equatable {
  package private(set) var lineage: [UInt8] = []
  package private(set) var version: UInt64 = 0
  package private(set) var regions: [String: WireRegion] = [:]
  package private(set) var upstreams: [UpstreamID: WireUpstream] = [:]
  package private(set) var offers: [OfferID: WireOffer] = [:]
  package private(set) var teams: [TeamID: WireTeam] = [:]
  package private(set) var keys: [KeyID: WireKey] = [:]

  package init() {}

  /// The state after an update, all of it or none.
  /// - Parameter parts: one update as it came, its last part marked `last`
  package func applying(_ parts: [WireConfigurationUpdate]) throws(ConfigurationFault) -> ConfigurationState {
    guard let first = parts.first, parts.last?.last == true else { throw .incomplete }
    var next = self
    if first.fromVersion == 0 {
      next = ConfigurationState()
      next.lineage = Array(first.lineage)
    } else {
      guard Array(first.lineage) == lineage else { throw .otherLineage }
      guard first.fromVersion == version else { throw .gap(have: version, from: first.fromVersion) }
      guard first.version >= version else { throw .versionGoesBack(have: version, offered: first.version) }
    }
    next.version = first.version
    for part in parts {
      for resource in part.upserts { try next.insert(resource) }
      for reference in part.removals { try next.remove(reference) }
    }
    try next.checkReferences()
    return next
  }

  /// The whole state as one update, as it is kept on disk and as a newcomer gets it.
  package func snapshot() -> WireConfigurationUpdate {
    var update = WireConfigurationUpdate()
    update.lineage.append(contentsOf: lineage)
    update.version = version
    update.last = true
    update.upserts += regions.values.map { value in .with { $0.region = value } }
    update.upserts += upstreams.values.map { value in .with { $0.upstream = value } }
    update.upserts += offers.values.map { value in .with { $0.offer = value } }
    update.upserts += teams.values.map { value in .with { $0.team = value } }
    update.upserts += keys.values.map { value in .with { $0.key = value } }
    return update
  }

  private mutating func insert(_ resource: WireResource) throws(ConfigurationFault) {
    switch resource.kind {
    case .region(let region):
      guard !region.name.isEmpty else { throw .malformed("a region without a name") }
      regions[region.name] = region
    case .upstream(let upstream):
      guard let id = UpstreamID(bytes: upstream.id) else { throw .malformed("an upstream without an id") }
      upstreams[id] = upstream
    case .offer(let offer):
      guard let id = OfferID(bytes: offer.id), !offer.model.isEmpty else {
        throw .malformed("an offer without an id")
      }
      offers[id] = offer
    case .team(let team):
      guard let id = TeamID(bytes: team.id) else { throw .malformed("a team without an id") }
      teams[id] = team
    case .key(let key):
      guard let id = KeyID(bytes: key.id), key.digest.count == 32 else {
        throw .malformed("a key without an id or a digest of 32 bytes")
      }
      keys[id] = key
    case nil:
      throw .malformed("a resource of a kind that this edge does not know")
    }
  }

  private mutating func remove(_ reference: WireResourceReference) throws(ConfigurationFault) {
    switch reference.kind {
    case .region(let name): regions[name] = nil
    case .upstream(let bytes): upstreams[try identifier(bytes)] = nil
    case .offer(let bytes): offers[try identifier(bytes)] = nil
    case .team(let bytes): teams[try identifier(bytes)] = nil
    case .key(let bytes): keys[try identifier(bytes)] = nil
    case nil: throw .malformed("a removal of a kind that this edge does not know")
    }
  }

  /// What cannot be understood must not count as removed: a key would live on.
  private func identifier<Subject>(
    _ bytes: some Collection<UInt8>
  ) throws(ConfigurationFault) -> Identifier<Subject> {
    guard let id = Identifier<Subject>(bytes: bytes) else { throw .malformed("a removal without an id") }
    return id
  }

  private func checkReferences() throws(ConfigurationFault) {
    for upstream in upstreams.values where regions[upstream.region] == nil {
      throw .dangling("upstream \(upstream.name) names region \(upstream.region), which does not exist")
    }
    for offer in offers.values {
      guard let upstream = UpstreamID(bytes: offer.upstreamID), upstreams[upstream] != nil else {
        throw .dangling("an offer of \(offer.model) names an upstream that does not exist")
      }
    }
    for key in keys.values {
      guard let team = TeamID(bytes: key.teamID), teams[team] != nil else {
        throw .dangling("a key names a team that does not exist")
      }
    }
  }
}

/// Why an update was not applied.
package enum ConfigurationFault: Error, Equatable, CustomStringConvertible {
  case incomplete
  case otherLineage
  case gap(have: UInt64, from: UInt64)
  case versionGoesBack(have: UInt64, offered: UInt64)
  case malformed(String)
  case dangling(String)

  package var description: String {
    switch self {
    case .incomplete: "the update has no last part"
    case .otherLineage: "the update belongs to another database than the configuration here"
    case .gap(let have, let from): "the update starts from version \(from), but version \(have) is here"
    case .versionGoesBack(let have, let offered):
      "version \(offered) is older than version \(have), which is here"
    case .malformed(let what): "the update has \(what)"
    case .dangling(let what): what
    }
  }
}
