// How far each edge may go: a version is made once, and reaches edges step by step.

import StraitProtocol

/// Which edges have a new version before the others.
package enum RolloutStage: String, Sendable, CaseIterable {
  /// One edge.
  case canary
  /// All edges of its region.
  case region
  /// All edges.
  case fleet
}

/// The newest version that each edge may have. A decision without I/O; every replica publishes by it.
package struct VersionCeilings: Sendable, Equatable {
  /// A version on its way, and the edges that may have it already.
  package struct Staged: Sendable, Equatable {
    package let target: UInt64
    package let stage: RolloutStage
    package let canary: EdgeID?
    package let region: String?

    package init(target: UInt64, stage: RolloutStage, canary: EdgeID?, region: String?) {
      self.target = target
      self.stage = stage
      self.canary = canary
      self.region = region
    }

    func reaches(_ edge: EdgeIdentity) -> Bool {
      switch stage {
      case .canary: edge.edge == canary
      case .region: edge.region.text == region
      case .fleet: true
      }
    }
  }

  package let newest: UInt64
  /// The last version that went everywhere: what newcomers get first.
  package let everywhere: UInt64
  /// Nothing while a rollout is halted: who has its version keeps it, and nobody else gets it.
  package let staged: Staged?

  package init(newest: UInt64, everywhere: UInt64, staged: Staged? = nil) {
    self.newest = newest
    self.everywhere = everywhere
    self.staged = staged
  }

  package func ceiling(for edge: EdgeIdentity) -> UInt64 {
    guard let staged, staged.reaches(edge) else { return everywhere }
    return staged.target
  }
}
