// What each side of the control link understands, so that neither needs the other's version.

/// As `ConfigurationHello.contract` has it. The control plane sends nothing beyond what the edge understands.
package enum ContractLevel: UInt32, Comparable, Sendable {
  case first = 0
  /// Packed keys, content hashes, private upstreams, staleness limits.
  case packed = 2

  package static let current = ContractLevel.packed

  /// The highest level that an edge which says `hello` is sure to understand.
  package init(hello: UInt32) {
    self = hello >= Self.packed.rawValue ? .packed : .first
  }

  package static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

extension WireConfigurationUpdate {
  /// The same for who understands no more than `level`.
  package func understood(at level: ContractLevel) -> WireConfigurationUpdate {
    guard level < .packed else { return self }
    var plain = self
    plain.packedKeys = .init()
    plain.contentHash = .init()
    plain.madeAt = 0
    for index in plain.upserts.indices where plain.upserts[index].upstream.private {
      plain.upserts[index].upstream.private = false
    }
    plain.upserts.reserveCapacity(upserts.count + packedKeys.count / KeyRecord.packedBytes)
    PackedKeys.forEach(in: packedKeys) { key in plain.upserts.append(.with { $0.key = key.wire }) }
    return plain
  }
}
