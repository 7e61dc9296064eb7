// What to do with each part of an update. Decides only; applying and answering are the follower's.

import StraitProtocol

/// Collects the parts of updates and says what becomes of them.
package struct ConfigurationReceiver: Sendable {
  package enum Reception: Equatable {
    /// The update is not complete.
    case wait
    /// A whole update that fits: use it, then `commit` and acknowledge.
    case apply(ConfigurationState)
    /// A whole update that cannot be used: say so and keep what there is.
    case refuse(version: UInt64, reason: String)
    /// It does not go on from what is here: ask for a whole snapshot.
    case startOver(reason: String)
  }

  package private(set) var state: ConfigurationState
  private let partsLimit: Int
  private let resourcesLimit: Int
  private var parts: [WireConfigurationUpdate] = []
  private var resources = 0

  package init(state: ConfigurationState, limits: UplinkLimits) {
    self.state = state
    partsLimit = limits.updateParts
    resourcesLimit = limits.updateResources
  }

  package mutating func receive(_ part: WireConfigurationUpdate) -> Reception {
    if let first = parts.first {
      guard
        (part.lineage, part.fromVersion, part.version) == (first.lineage, first.fromVersion, first.version)
      else { return startOver("a part of version \(part.version) came within version \(first.version)") }
    }
    parts.append(part)
    resources += part.upserts.count + part.removals.count
    guard parts.count <= partsLimit, resources <= resourcesLimit else {
      return startOver("version \(part.version) is larger than an edge takes")
    }
    guard part.last else { return .wait }
    defer { forget() }
    do throws(ConfigurationFault) {
      return .apply(try state.applying(parts))
    } catch .gap, .otherLineage {
      return .startOver(reason: "version \(part.version) does not go on from version \(state.version)")
    } catch {
      return .refuse(version: part.version, reason: "\(error)")
    }
  }

  package mutating func commit(_ next: ConfigurationState) {
    state = next
  }

  /// Drops the parts of an update whose rest will not come.
  package mutating func forget() {
    parts = []
    resources = 0
  }

  private mutating func startOver(_ reason: String) -> Reception {
    forget()
    return .startOver(reason: reason)
  }
}
