// The configuration that an edge runs on: a version and its resources, taken from one version to the next by updates
// that are checked whole before any of them counts.

/// A whole configuration. A value: an update makes a new one and leaves the old as it was; both share what is the same.
package struct ConfigurationState: Sendable {
  package internal(set) var lineage: [UInt8] = []
  package internal(set) var version: UInt64 = 0
  package internal(set) var regions: [String: WireRegion] = [:]
  package internal(set) var upstreams: [UpstreamID: WireUpstream] = [:]
  package internal(set) var offers: [OfferID: WireOffer] = [:]
  package internal(set) var teams: [TeamID: WireTeam] = [:]
  package internal(set) var keys = KeySet()
  /// Of all but the keys.
  var resourceSum = ContentSum()
  /// Of the regions, upstreams and offers together.
  package internal(set) var catalogueRevision = Revision.initial
  package internal(set) var teamsRevision = Revision.initial

  package init() {}

  /// The state after an update, all of it or none.
  /// - Parameter parts: one update as it came, its last part marked `last`
  package func applying(_ parts: [WireConfigurationUpdate]) throws(ConfigurationFault) -> ConfigurationState {
    guard let first = parts.first else { throw .incomplete }
    var edit = try ConfigurationEdit(of: self, beginning: first)
    for part in parts { try edit.take(part) }
    return try edit.finished()
  }

  /// The whole state as one update. Of a large state, `SnapshotParts` makes messages that fit the link.
  package func snapshot() -> WireConfigurationUpdate {
    var whole = WireConfigurationUpdate()
    for part in SnapshotParts(of: self) {
      whole.lineage = part.lineage
      whole.version = part.version
      whole.upserts += part.upserts
      whole.packedKeys += part.packedKeys
      whole.contentHash = part.contentHash
    }
    whole.last = true
    return whole
  }
}

extension ConfigurationState: Equatable {
  package static func == (left: ConfigurationState, right: ConfigurationState) -> Bool {
    left.lineage == right.lineage && left.version == right.version
      && (left.catalogueRevision == right.catalogueRevision
        || (left.regions == right.regions && left.upstreams == right.upstreams
          && left.offers == right.offers))
      && (left.teamsRevision == right.teamsRevision || left.teams == right.teams) && left.keys == right.keys
  }
}

/// Why an update was not applied.
package enum ConfigurationFault: Error, Equatable, CustomStringConvertible {
  case incomplete
  case otherLineage
  case gap(have: UInt64, from: UInt64)
  case versionGoesBack(have: UInt64, offered: UInt64)
  case malformed(String)
  case duplicate(String)
  case dangling(String)
  case unknown(String)
  case doubtful(String)
  case otherContent

  package var kind: RefusalKind {
    switch self {
    case .incomplete: .incomplete
    case .otherLineage: .otherLineage
    case .gap: .gap
    case .versionGoesBack: .older
    case .malformed: .malformed
    case .duplicate: .duplicate
    case .dangling: .dangling
    case .unknown: .unknown
    case .doubtful: .doubtful
    case .otherContent: .brokenHash
    }
  }

  package var description: String {
    switch self {
    case .incomplete: "the update has no last part"
    case .otherLineage: "the update belongs to another database than the configuration here"
    case .gap(let have, let from): "the update starts from version \(from), but version \(have) is here"
    case .versionGoesBack(let have, let offered):
      "version \(offered) is older than version \(have), which is here"
    case .malformed(let what): "the update has \(what)"
    case .duplicate(let what): "the update names \(what) twice"
    case .dangling(let what), .doubtful(let what): what
    case .otherContent:
      "the content does not match its hash: something was lost, came twice or was misread on the way"
    case .unknown(let what): "the update has a \(what) that this edge does not know"
    }
  }
}

/// Kinds of refused configurations, as a metric names them.
package enum RefusalKind: String, CaseIterable, Sendable {
  case incomplete, gap, older, malformed, duplicate, dangling, unknown, doubtful
  case otherLineage = "other_lineage"
  case brokenHash = "broken_hash"
  /// It holds together, and what serves by it does not take it.
  case unusable
}
