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
    /// It goes on from what was refused, and was sent before the control plane heard of that.
    case drop(version: UInt64)

    /// For a log line; says nothing of what is in a configuration.
    var summary: String {
      switch self {
      case .wait: "it is not complete"
      case .apply(let state): "version \(state.version)"
      case .drop(let version): "version \(version) goes on from what was refused"
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
  /// The last version that was refused, or dropped because it goes on from that, since one was taken.
  private var untaken: (version: UInt64, dropped: Int)?
  /// The control plane answers a refusal with something that fits. One that sent so much meanwhile has not heard of it.
  private static let droppedAtMost = 1_000

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
    if case .failure(.gap) = update.edit { return goesOnElsewhere(part) }
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
    untaken = nil
  }

  /// The control plane is told that the version is refused.
  package mutating func refused(_ version: UInt64) {
    untaken = (version, 0)
  }

  /// Drops the parts of an update whose rest will not come: another stream begins.
  package mutating func forget() {
    incoming = nil
    untaken = nil
  }

  private mutating func goesOnElsewhere(_ part: WireConfigurationUpdate) -> Reception {
    // All parts of it come here, one by one.
    guard let before = untaken, before.dropped < Self.droppedAtMost, part.fromVersion == before.version
    else { return doesNotFit(part) }
    guard part.last else { return .wait }
    untaken = (part.version, before.dropped + 1)
    return .drop(version: part.version)
  }

  private func doesNotFit(_ part: WireConfigurationUpdate) -> Reception {
    .startOver(reason: "version \(part.version) does not go on from version \(state.version)")
  }
}
