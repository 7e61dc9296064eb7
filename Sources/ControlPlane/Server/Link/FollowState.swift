// What one edge is sent next, decided from what it holds, what it was sent and what it said about it.

import StraitProtocol

/// A decision without I/O: events in, the version to send from out.
package struct FollowState: Sendable, Equatable {
  /// What the edge will hold when it takes what it was sent; 0 for nothing, so that a snapshot comes next.
  package private(set) var base: UInt64
  /// What the edge said it runs.
  package private(set) var acknowledged: UInt64
  /// The newest that it was sent, or runs. It may have that still where a rollout came to a halt meanwhile: a refusal is
  /// answered with everything of that version, and never with an older one.
  private var offered: UInt64
  /// Set while a snapshot is under way or was refused: after a refusal only a newer version is worth sending.
  private var sentSnapshot = false
  private var refused: UInt64?
  /// Refused deltas since the last one that was taken; a snapshot follows each.
  private var refusedDeltas = 0
  /// Set from a refusal that crossed newer deltas until a delta is taken.
  private var isSentAgain = false
  private var isHeldBack = false
  /// The longest pause before a snapshot that follows a refused delta.
  package static let longestPauseSeconds = 60.0

  package init(holding version: UInt64, ofLineage lineage: [UInt8], here: LineageID, newest: UInt64) {
    // Another lineage, or a version that this database does not have (it was put back from a backup).
    let known = lineage == here.bytes && version <= newest
    base = known ? version : 0
    acknowledged = known ? version : 0
    offered = known ? version : 0
  }

  /// The version that an update is to lead to, where the edge may have `ceiling`.
  package func target(ceiling: UInt64) -> UInt64 { max(ceiling, offered) }

  /// The version from which an update is to be sent now; nothing when the edge is up to date.
  /// - Parameter newest: that it is to have, as `target` says
  package func next(newest: UInt64) -> UInt64? {
    if isHeldBack { return nil }
    if let refused, newest <= refused { return nil }
    return base == 0 || newest > base ? base : nil
  }

  /// Whether it runs what it is to run: nothing is on its way, and it refused nothing.
  package func isInStep(newest: UInt64) -> Bool {
    refused == nil && base == acknowledged && acknowledged >= newest && acknowledged > 0
  }

  /// Takes an update as sent that was read to go on from `asked`. To be called before any of it is written: what the edge
  /// says of it may be here before the writer goes on.
  /// - Parameter from: what it does go on from; 0 where it became a snapshot
  /// - Returns: false where the edge has refused something since, so that something else comes next
  package mutating func send(from: UInt64, to version: UInt64, asked: UInt64, newest: UInt64) -> Bool {
    guard next(newest: newest) == asked else { return false }
    sent(from: from, to: version)
    return true
  }

  package mutating func sent(from: UInt64, to version: UInt64) {
    base = version
    offered = max(offered, version)
    sentSnapshot = from == 0
    refused = nil
  }

  package mutating func acknowledge(_ version: UInt64) {
    acknowledged = version
    if !sentSnapshot {
      refusedDeltas = 0
      isSentAgain = false
    }
    // A refusal that crossed an update on the wire may have reset the base since.
    if base == 0 {
      base = version
      refused = nil
    }
  }

  /// A refused delta is followed by a snapshot at once; a refused snapshot by the next version's, not by itself again. An
  /// edge that takes snapshots and refuses every delta after them gets them ever more seldom.
  ///
  /// Where deltas from the refused version on were on their way already, the edge has dropped them, and the newest may be
  /// without the fault: that goes out as one delta from what the edge runs, once, before everything does.
  /// - Returns: the pause in seconds before `goOn`; 0 for none
  package mutating func refuse(_ version: UInt64) -> Double {
    if isCrossing(version) {
      isSentAgain = true
      base = acknowledged
      sentSnapshot = false
      return 0
    }
    if sentSnapshot {
      refused = version
    } else {
      refusedDeltas += 1
    }
    base = 0
    guard !sentSnapshot, refusedDeltas > 1 else { return 0 }
    isHeldBack = true
    return min(Self.longestPauseSeconds, Double(1 << min(refusedDeltas - 1, 10)))
  }

  /// Whether a refusal, before it is taken with `refuse`, is of a whole configuration: nothing that comes then makes the
  /// same version another one.
  package func isFinal(refusalOf version: UInt64) -> Bool { sentSnapshot && !isCrossing(version) }

  private func isCrossing(_ version: UInt64) -> Bool { version < base && acknowledged > 0 && !isSentAgain }

  /// What the edge says that it holds is not what the version has: to be followed by a snapshot, like a refusal. While
  /// something newer is on its way, that is judged.
  /// - Returns: as `refuse`; nil where nothing is to be done
  package mutating func distrust(_ version: UInt64) -> Double? {
    guard version == base, version == acknowledged else { return nil }
    return refuse(version)
  }

  package mutating func goOn() {
    isHeldBack = false
  }
}
