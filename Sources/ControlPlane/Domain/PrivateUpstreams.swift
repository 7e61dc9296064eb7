// What edges of one region get of an update: everything but the private upstreams of other regions, and their offers.

import Foundation
import StraitProtocol

package struct PrivateUpstreams: Sendable, Equatable {
  /// The region of each, by the upstream's id as it travels.
  private let regions: [Data: String]

  package init(_ upstreams: [(id: UpstreamID, region: String)] = []) {
    regions = Dictionary(upstreams.map { (Data($0.id.bytes), $0.region) }) { first, _ in first }
  }

  /// A part of an update as edges of the region get it. In a delta what they must not have counts as removed: removing
  /// what is not there changes nothing.
  package func part(
    _ part: WireConfigurationUpdate, asSeenFrom region: String
  ) -> WireConfigurationUpdate {
    if regions.isEmpty || part.upserts.allSatisfy({ !isForeign($0, to: region) }) { return part }
    var seen = part
    seen.upserts.removeAll { isForeign($0, to: region) }
    if part.fromVersion > 0 {
      seen.removals += part.upserts.filter { isForeign($0, to: region) }.compactMap(Self.removal)
    }
    return seen
  }

  private func isForeign(_ resource: WireResource, to region: String) -> Bool {
    home(of: resource).map { $0 != region } ?? false
  }

  /// The only region whose edges may have it; nil for what all may have.
  package func home(of resource: WireResource) -> String? {
    switch resource.kind {
    case .upstream(let upstream): regions[upstream.id]
    case .offer(let offer): regions[offer.upstreamID]
    default: nil
    }
  }

  /// The only region whose edges may have it; nil for one that all may have.
  package func home(of upstream: UpstreamID) -> String? { regions[Data(upstream.bytes)] }

  private static func removal(of resource: WireResource) -> WireResourceReference? {
    switch resource.kind {
    case .upstream(let upstream): .with { $0.upstream = upstream.id }
    case .offer(let offer): .with { $0.offer = offer.id }
    default: nil
    }
  }
}
