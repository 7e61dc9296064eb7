// A whole configuration as messages of a bounded size, made one after another as they are asked for: nobody holds them all.

import Foundation

package struct SnapshotParts: Sequence, IteratorProtocol, Sendable {
  /// A part is closed before it grows beyond this.
  package static let partBytes = 1 << 20

  private let state: ConfigurationState
  private var resources: [WireResource]
  private var nextResource = 0
  private var nextShard = 0
  private var isOver = false

  package init(of state: ConfigurationState) {
    self.state = state
    // References before what refers to them.
    resources = state.regions.values.map { value in .with { $0.region = value } }
    resources += state.upstreams.values.map { value in .with { $0.upstream = value } }
    resources += state.offers.values.map { value in .with { $0.offer = value } }
    resources += state.teams.values.map { value in .with { $0.team = value } }
  }

  package mutating func next() -> WireConfigurationUpdate? {
    if isOver { return nil }
    var part = WireConfigurationUpdate()
    part.lineage.append(contentsOf: state.lineage)
    part.version = state.version
    var room = Self.partBytes
    let firstResource = nextResource
    while nextResource < resources.count {
      let bytes = resources[nextResource].bytesAtMost
      if bytes > room, room < Self.partBytes { break }
      room -= bytes
      nextResource += 1
    }
    part.upserts = Array(resources[firstResource..<nextResource])
    if nextResource < resources.count { return part }
    // What has been sent is not needed again.
    resources = []
    nextResource = 0
    var packed = PackedKeys()
    while nextShard < KeySet.shardCount {
      let bytes = state.keys.count(inShard: nextShard) * KeyRecord.packedBytes
      if bytes > room, room < Self.partBytes { break }
      state.keys.forEach(inShard: nextShard) { packed.append($0) }
      room -= bytes
      nextShard += 1
    }
    part.packedKeys = packed.bytes
    isOver = nextShard == KeySet.shardCount
    part.last = isOver
    if isOver { part.contentHash = Data(state.contentHash(fromDay: 0)) }
    return part
  }
}

extension WireResource {
  /// An upper bound of the encoded size: the texts, and a generous allowance for what has a fixed size.
  package var bytesAtMost: Int {
    switch kind {
    case .region(let region):
      72 + region.name.utf8.count + region.jurisdiction.utf8.count + region.title.utf8.count
    case .upstream(let upstream):
      136 + upstream.name.utf8.count + upstream.region.utf8.count + upstream.origin.utf8.count
        + upstream.pathPrefix.utf8.count + upstream.credential.count + upstream.caPem.utf8.count
    case .offer(let offer): 136 + offer.model.utf8.count + offer.upstreamModel.utf8.count
    case .team(let team): 104 + team.name.utf8.count
    case .key: 136
    case nil: 0
    }
  }
}
