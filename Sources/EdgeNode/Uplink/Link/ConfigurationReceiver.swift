// What to do with each part of an update. Decides only; applying and answering are the follower's.

import StraitProtocol

/// Takes the parts of updates as they come and says what becomes of them.
package struct ConfigurationReceiver: Sendable {
  package enum Reception: Equatable {
    /// The update is not complete.
    case wait
    /// A whole update that fits: use it, then `commit` and acknowledge.
    case apply(ConfigurationState)
    /// A whole update that cannot be used: say so and keep what there is.
    case refuse(version: UInt64, reason: String, kind: RefusalKind)
    /// It does not go on from what is here: ask for a whole snapshot.
    case startOver(reason: String)

    /// For a log line; says nothing of what is in a configuration.
    var summary: String {
      switch self {
      case .wait: "it is not complete"
      case .apply(let state): "version \(state.version)"
      case .refuse(_, let reason, _), .startOver(let reason): reason
      }
    }
  }

  /// The update whose parts are coming.
  private struct Incoming {
    let lineage: [UInt8]
    let from: UInt64
    let version: UInt64
    var edit: Result<ConfigurationEdit, ConfigurationFault>
    var parts = 0

    init(_ first: WireConfigurationUpdate, of state: ConfigurationState) {
      lineage = Array(first.lineage)
      from = first.fromVersion
      version = first.version
      edit = Result { () throws(ConfigurationFault) in try ConfigurationEdit(of: state, beginning: first) }
    }

    func includes(_ part: WireConfigurationUpdate) -> Bool {
      Array(part.lineage) == lineage && part.fromVersion == from && part.version == version
    }

    /// What is wrong already need not be read on, but its other parts are still to come.
    mutating func take(_ part: WireConfigurationUpdate, _ review: ConfigurationReview) {
      parts += 1
      guard case .success(var edit) = edit else { return }
      self.edit = .failure(.incomplete)
      self.edit = Result { () throws(ConfigurationFault) in
        try review.check(part)
        try edit.take(part)
        return edit
      }
    }

    var size: Int { (try? edit.get().size) ?? 0 }
  }

  package private(set) var state: ConfigurationState
  private let partsLimit: Int
  private let resourcesLimit: Int
  private let review: ConfigurationReview
  private var incoming: Incoming?

  package init(
    state: ConfigurationState, limits: UplinkLimits, review: ConfigurationReview = ConfigurationReview()
  ) {
    self.review = review
    self.state = state
    partsLimit = limits.updateParts
    resourcesLimit = limits.updateResources
  }

  /// - Parameter now: microseconds since 1970
  package mutating func receive(_ part: WireConfigurationUpdate, now: Int64) -> Reception {
    var update = incoming ?? Incoming(part, of: state)
    incoming = nil
    guard update.includes(part) else {
      return .startOver(reason: "a part of version \(part.version) came within version \(update.version)")
    }
    if case .failure(.gap) = update.edit { return doesNotFit(part) }
    if case .failure(.otherLineage) = update.edit { return doesNotFit(part) }
    update.take(part, review)
    guard update.parts <= partsLimit, update.size <= resourcesLimit else {
      return .startOver(reason: "version \(part.version) is larger than an edge takes")
    }
    guard part.last else {
      incoming = update
      return .wait
    }
    do throws(ConfigurationFault) {
      let next = try update.edit.get().finished()
      try review.check(next, after: state, now: now, confirmed: part.confirmedRemovals)
      return .apply(next)
    } catch {
      return .refuse(version: part.version, reason: "\(error)", kind: error.kind)
    }
  }

  package mutating func commit(_ next: ConfigurationState) {
    state = next
  }

  /// Drops the parts of an update whose rest will not come.
  package mutating func forget() {
    incoming = nil
  }

  private func doesNotFit(_ part: WireConfigurationUpdate) -> Reception {
    .startOver(reason: "version \(part.version) does not go on from version \(state.version)")
  }
}
