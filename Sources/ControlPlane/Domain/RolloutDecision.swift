// What a rollout does next: decided from what edges said, without I/O, so that any replica decides the same.

import StraitProtocol

/// What is to be done about a rollout.
package enum RolloutStep: Sendable, Equatable {
  /// Nothing, unless an edge says something or that moment has come.
  case wait(until: Moment?)
  /// The version goes to more edges, or to another one in the place of a canary that is gone.
  case enter(RolloutStage, canary: RolloutEdge?, watching: [RolloutEdge], lost: Int)
  /// It is everywhere.
  case finish
  /// Nobody else gets it, and it is taken back where that can be.
  case halt(String)
}

package struct RolloutDecision: Sendable {
  let rollout: Rollout
  /// Every edge that was not evicted.
  let edges: [RolloutEdge]
  let attendance: Attendance
  let settings: RolloutSettings
  let now: Moment

  /// Where edges do not answer, keys and teams still go on to the others: they change nothing but who may ask. So many
  /// canaries in a row are no accident, though.
  static let canariesToLose = 3

  /// Who comes back has its time to answer anew. It may lose its link at the end of the first time and come back at the end
  /// of the second, but one that comes and goes for longer than three does not answer.
  static let timesToAnswer = 3

  package init(
    rollout: Rollout, edges: [RolloutEdge], attendance: Attendance, settings: RolloutSettings, now: Moment
  ) {
    self.rollout = rollout
    self.edges = edges
    self.attendance = attendance
    self.settings = settings
    self.now = now
  }

  /// How a rollout begins: `wait` where nobody is there now, and the first that comes back is to try it.
  /// - Parameter answerSeconds: how long an edge may take to come back
  package static func first(
    base: UInt64, pace: Pace, edges: [RolloutEdge], attendance: Attendance, answerSeconds: Int, now: Moment
  ) -> RolloutStep {
    guard let canary = canary(among: edges, base: base) else {
      // What has been everywhere before goes there again without a trial.
      guard pace != .atOnce, let until = attendance.expects(edges, within: answerSeconds, now: now) else {
        return .finish
      }
      return .wait(until: until)
    }
    if pace == .atOnce {
      let all = edges.filter(\.isConnected)
      return .enter(.fleet, canary: canary, watching: all, lost: 0)
    }
    return .enter(.canary, canary: canary, watching: [canary], lost: 0)
  }

  /// The edge to try a version on: one that is in step and has some traffic to judge by, but the least of it.
  static func canary(among edges: [RolloutEdge], base: UInt64) -> RolloutEdge? {
    let connected = edges.filter(\.isConnected)
    let inStep = connected.filter { $0.isInStep(with: base) }
    let willing = connected.filter { $0.refusal == nil }
    let candidates = !inStep.isEmpty ? inStep : !willing.isEmpty ? willing : connected
    return candidates.min { left, right in
      let (a, b) = (left.recentExchanges, right.recentExchanges)
      if (a == 0) != (b == 0) { return b == 0 }
      return a == b ? left.id < right.id : a < b
    }
  }

  package func next() -> RolloutStep {
    if let edge = watched.first(where: { $0.refused == rollout.target }) {
      return .halt("\(edge.shown) refused version \(rollout.target): \(edge.refusal ?? "no reason given")")
    }
    if rollout.stage == .canary, let step = replaceCanary() { return step }
    if rollout.pace == .watched {
      if let reason = missing() { return .halt(reason) }
      if let finding = risen() { return .halt("errors rose at \(rollout.stage.shown): \(finding)") }
    }
    if let until = waitsForAnswer() { return .wait(until: until) }
    if rollout.pace == .watched, settings.dwellSeconds > 0, let until = watchesUntil() {
      return .wait(until: until)
    }
    return advance()
  }
}

// MARK: Edges that do not answer

extension RolloutDecision {
  private var watched: [RolloutEdge] { edges.filter { rollout.watched[$0.id] != nil } }

  /// Since when edges are asked, by a control plane that can hear them.
  private var askedAt: Moment { max(rollout.stageBeganAt, attendance.since) }

  /// Until when an edge that has left may come back.
  private func returnDeadline(_ edge: RolloutEdge) -> Moment {
    max(edge.lastSeenAt ?? askedAt, askedAt).adding(seconds: settings.answerSeconds)
  }

  /// Until when an edge that is connected may answer.
  private func answerDeadline(_ edge: RolloutEdge) -> Moment {
    let deadline = max(edge.streamBeganAt ?? askedAt, askedAt).adding(seconds: settings.answerSeconds)
    return min(deadline, askedAt.adding(seconds: Self.timesToAnswer * settings.answerSeconds))
  }

  /// Silent: connected, but without an answer for too long.
  private func isSilent(_ edge: RolloutEdge) -> Bool {
    edge.isConnected && edge.version < rollout.target && now >= answerDeadline(edge)
  }

  /// Its own copy was wrong, so that it is sent everything: that says nothing about the version.
  private func isMending(_ edge: RolloutEdge) -> Bool { edge.refusal != nil && edge.refused == nil }

  private func isGone(_ edge: RolloutEdge) -> Bool {
    !edge.isConnected && now >= returnDeadline(edge)
  }

  /// What a canary that went away means: a keyed-in fault may have ended it, or somebody pulled a plug. Another one is
  /// tried; when that goes too, it is no accident.
  private func replaceCanary() -> RolloutStep? {
    let canary = edges.first { $0.id == rollout.canary }
    let isLost: Bool
    if let canary {
      // A key must not wait for an edge that is away; a change that may have ended the edge gives it time to return.
      isLost =
        rollout.pace == .watched
        ? isGone(canary) || isSilent(canary) && isMending(canary) : !canary.isConnected || isSilent(canary)
    } else {
      isLost = true
    }
    guard isLost else { return nil }
    let tolerated = rollout.pace == .watched ? 2 : Self.canariesToLose
    let name = canary?.shown ?? "the first edge"
    let lost = rollout.lost + (canary.map(isExpected) == true ? 0 : 1)
    guard lost < tolerated else {
      return .halt(
        "\(name) was lost while it tried version \(rollout.target), and so was the one before it")
    }
    let others = edges.filter { $0.id != rollout.canary }
    if let other = Self.canary(among: others, base: rollout.base) {
      return .enter(.canary, canary: other, watching: [other], lost: lost)
    }
    if rollout.pace == .watched, canary != nil {
      return .halt("\(name) was lost while it tried version \(rollout.target), and there is no other one")
    }
    guard let until = attendance.expects(edges, within: settings.answerSeconds, now: now) else {
      return .finish
    }
    return .wait(until: until)
  }

  /// The control plane was away, and not the edge.
  private func isExpected(_ edge: RolloutEdge) -> Bool {
    attendance.isExpected(edge, within: settings.answerSeconds, now: now)
  }

  /// Edges that went away or fell silent, where they are too many for chance.
  private func missing() -> String? {
    if let edge = watched.first(where: { isSilent($0) && !isMending($0) }) {
      return "\(edge.shown) did not answer to version \(rollout.target) within \(settings.answerSeconds) s"
    }
    guard rollout.stage != .canary else { return nil }
    let gone = watched.filter { isGone($0) || isSilent($0) && isMending($0) }
    guard rollout.lost + gone.count > toleratedLosses, let edge = gone.first else { return nil }
    return "\(rollout.lost + gone.count) edges were lost while they tried version \(rollout.target), "
      + "\(edge.shown) among them"
  }

  private var toleratedLosses: Int { 1 + rollout.watched.count / 100 }

  /// - Returns: until when, where answers are missing that count
  private func waitsForAnswer() -> Moment? {
    let late = watched.filter { $0.isConnected && $0.version < rollout.target && !isSilent($0) }
    if let until = late.map(answerDeadline).min() { return until }
    guard rollout.pace == .watched else { return nil }
    let away = watched.filter { !$0.isConnected }
    if rollout.stage != .canary && rollout.lost + away.count <= toleratedLosses { return nil }
    return away.map(returnDeadline).min()
  }
}

// MARK: Errors

extension RolloutDecision {
  private func risen() -> String? {
    var (before, during) = (ExchangeCounts(), ExchangeCounts())
    for edge in watched where edge.version >= rollout.target {
      guard let watch = rollout.watched[edge.id] else { continue }
      before = before + watch.before
      during = during + edge.counts.since(watch.atStart)
    }
    return ErrorRise.finding(before: before, during: during)
  }

  /// - Returns: until when, while the edges have not run the version for long enough, or not said how it went
  private func watchesUntil() -> Moment? {
    let present = watched.filter(\.isConnected)
    let began = max(present.compactMap(\.acknowledgedAt).max() ?? rollout.stageBeganAt, rollout.stageBeganAt)
    let end = began.adding(seconds: settings.dwellSeconds)
    if now < end { return end }
    // An edge that never reports is an edge without news; it held the version and did not refuse it.
    let last = max(end, attendance.since).adding(seconds: settings.answerSeconds)
    let isHeard = present.allSatisfy { ($0.reportedAt ?? rollout.stageBeganAt) >= end }
    return isHeard || now >= last ? nil : last
  }
}

// MARK: The next stage

extension RolloutDecision {
  private func advance() -> RolloutStep {
    let known = Set(rollout.watched.keys)
    let region = edges.filter { $0.region == rollout.region && $0.isInStep(with: rollout.base) }
    let fleet = edges.filter { $0.isInStep(with: rollout.base) }
    if rollout.stage == .canary, region.contains(where: { !known.contains($0.id) }) {
      return .enter(.region, canary: canaryEdge, watching: region, lost: rollout.lost)
    }
    if rollout.stage != .fleet, fleet.contains(where: { !known.contains($0.id) }) {
      return .enter(.fleet, canary: canaryEdge, watching: fleet, lost: rollout.lost)
    }
    return .finish
  }

  private var canaryEdge: RolloutEdge? { edges.first { $0.id == rollout.canary } }
}

extension RolloutEdge {
  /// What ended there within the last minute or two.
  var recentExchanges: UInt64 { counts.since(earlierCounts).ended }

  /// The counts to compare with: the recent ones where they are enough, else all since the process started.
  package var usualCounts: ExchangeCounts {
    let recent = counts.since(earlierCounts)
    return recent.ended >= 20 ? recent : counts
  }

  var shown: String { "edge \(id) in \(region)" }
}

extension RolloutStage {
  var shown: String {
    switch self {
    case .canary: "the first edge"
    case .region: "the first region"
    case .fleet: "all edges"
    }
  }
}
