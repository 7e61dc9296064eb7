// What each side of the control link understands, so that neither needs the other's version.

/// As `ConfigurationHello.contract` has it. The control plane sends nothing beyond what the edge understands.
package enum ContractLevel: UInt32, Comparable, Sendable {
  case first = 0
  /// Packed keys, private upstreams, staleness limits.
  case packed = 2
  /// Confirmed removals.
  case confirming = 3
  /// Content hashes.
  case hashed = 4
  /// Upstreams' networks.
  case networked = 5

  package static let current = ContractLevel.networked
  /// From here on an edge holds what content hashes count.
  package static let counted = ContractLevel.networked

  /// The highest level that an edge which says `hello` is sure to understand.
  package init(hello: UInt32) {
    self =
      switch hello {
      case Self.networked.rawValue...: .networked
      case Self.hashed.rawValue: .hashed
      case Self.confirming.rawValue...: .confirming
      case Self.packed.rawValue...: .packed
      default: .first
      }
  }

  package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

extension WireConfigurationUpdate {
  /// The same for who understands no more than `level`.
  package func understood(at level: ContractLevel) -> WireConfigurationUpdate {
    guard level < .networked else { return self }
    var plain = self
    // Where a level adds fields to resources, edges below it hold something else than what is counted, and get no hash.
    plain.contentHash = .init()
    plain.hashedFromDay = 0
    for index in plain.upserts.indices where plain.upserts[index].upstream.publicNetwork {
      plain.upserts[index].upstream.publicNetwork = false
    }
    guard level < .confirming else { return plain }
    plain.clearConfirmedRemovals()
    guard level < .packed else { return plain }
    plain.packedKeys = .init()
    plain.madeAt = 0
    for index in plain.upserts.indices where plain.upserts[index].upstream.private {
      plain.upserts[index].upstream.private = false
    }
    for index in plain.upserts.indices where plain.upserts[index].team.stalenessLimitSeconds > 0 {
      plain.upserts[index].team.stalenessLimitSeconds = 0
    }
    // Collected beside the message, which would copy all of them for each.
    var all = plain.upserts
    all.reserveCapacity(upserts.count + packedKeys.count / KeyRecord.packedBytes)
    PackedKeys.forEach(in: packedKeys) { key in all.append(.with { $0.key = key.wire }) }
    plain.upserts = all
    return plain
  }
}
