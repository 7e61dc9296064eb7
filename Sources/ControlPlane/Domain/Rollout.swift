// A version on its way to the edges, and what is known of those that it is tried on.

import StraitProtocol

/// Exchanges that ended, and those of them that failed by a fault of the edge or of an upstream.
package struct ExchangeCounts: Sendable, Equatable {
  package var ended: UInt64
  package var failed: UInt64

  package init(ended: UInt64 = 0, failed: UInt64 = 0) {
    self.ended = ended
    self.failed = failed
  }

  /// What came since; all of it where the edge's process is another one.
  package func since(_ earlier: ExchangeCounts) -> ExchangeCounts {
    guard ended >= earlier.ended, failed >= earlier.failed else { return self }
    return ExchangeCounts(ended: ended - earlier.ended, failed: failed - earlier.failed)
  }

  package static func + (left: Self, right: Self) -> Self {
    Self(ended: left.ended + right.ended, failed: left.failed + right.failed)
  }
}

/// An edge as its reports show it.
package struct RolloutEdge: Sendable, Equatable {
  package var id: EdgeID
  package var region: String
  package var isConnected: Bool
  /// What it acknowledged last, and since when it has that.
  package var version: UInt64
  package var acknowledgedAt: Moment?
  /// What it refused since, and why.
  package var refused: UInt64?
  package var refusal: String?
  package var lastSeenAt: Moment?
  /// When it came last: the beginning of its stream, or of the last one where it is away.
  package var streamBeganAt: Moment?
  /// When its counts came.
  package var reportedAt: Moment?
  package var counts: ExchangeCounts
  /// The counts of up to a minute before.
  package var earlierCounts: ExchangeCounts

  package init(
    id: EdgeID, region: String, isConnected: Bool, version: UInt64, acknowledgedAt: Moment? = nil,
    refused: UInt64? = nil, refusal: String? = nil, lastSeenAt: Moment? = nil, streamBeganAt: Moment? = nil,
    reportedAt: Moment? = nil, counts: ExchangeCounts = ExchangeCounts(),
    earlierCounts: ExchangeCounts = ExchangeCounts()
  ) {
    self.id = id
    self.region = region
    self.isConnected = isConnected
    self.version = version
    self.acknowledgedAt = acknowledgedAt
    self.refused = refused
    self.refusal = refusal
    self.lastSeenAt = lastSeenAt
    self.streamBeganAt = streamBeganAt
    self.reportedAt = reportedAt
    self.counts = counts
    self.earlierCounts = earlierCounts
  }

  /// An edge that was not heard for so long is not connected, whatever its row says; the store's statements have the same.
  static let silenceSeconds = 20

  /// Whether it took the version that a rollout starts from.
  func isInStep(with base: UInt64) -> Bool { isConnected && refusal == nil && version >= base }
}

/// Since when the control plane is there for edges. While it is not, none can answer or come back, and that time counts
/// against none of them.
package struct Attendance: Sendable, Equatable {
  /// Since when some replica has been there without a break, and none has sent its edges away.
  package var since: Moment
  /// The end of the last such time before that was long enough for every edge to come back.
  package var before: Moment

  /// Replicas say every two or three seconds that they are there. `RolloutStore.noteAttendance` has these two as well.
  static let breakSeconds = 5
  static let settledSeconds = RolloutSettings.answerRange.upperBound

  package init(since: Moment, before: Moment) {
    self.since = since
    self.before = before
  }

  /// As it is at `now`, whether or not a replica has noted yet that there was a break.
  /// - Parameter notedAt: when a replica said last that it is there
  package init(since: Moment, before: Moment, notedAt: Moment, now: Moment) {
    self.init(since: since, before: before)
    guard now < notedAt || now > notedAt.adding(seconds: Self.breakSeconds) else { return }
    self.since = now
    if notedAt >= since.adding(seconds: Self.settledSeconds) { self.before = min(notedAt, now) }
  }

  /// Whether an edge was there until the control plane was not, and may still come back.
  /// - Parameter seconds: how long it may take for that
  func isExpected(_ edge: RolloutEdge, within seconds: Int, now: Moment) -> Bool {
    guard !edge.isConnected, now < since.adding(seconds: seconds), let seen = edge.lastSeenAt else {
      return false
    }
    // One that was back already has left by itself.
    if let began = edge.streamBeganAt, began >= since { return false }
    return seen.adding(seconds: RolloutEdge.silenceSeconds + seconds) >= before
  }

  /// - Returns: until when one of those edges may come; nothing where none is expected
  func expects(_ edges: [RolloutEdge], within seconds: Int, now: Moment) -> Moment? {
    let isAny = edges.contains { isExpected($0, within: seconds, now: now) }
    return isAny ? since.adding(seconds: seconds) : nil
  }
}

/// A rollout that runs.
package struct Rollout: Sendable, Equatable {
  /// An edge's counts when the stage began, and what ended there in the time before.
  package struct Watch: Sendable, Equatable {
    package var atStart: ExchangeCounts
    package var before: ExchangeCounts

    package init(atStart: ExchangeCounts, before: ExchangeCounts) {
      self.atStart = atStart
      self.before = before
    }
  }

  package var number: Int64
  package var base: UInt64
  package var target: UInt64
  package var pace: Pace
  package var stage: RolloutStage
  package var canary: EdgeID?
  package var region: String?
  /// Edges that went away while they tried it.
  package var lost: Int
  package var stageBeganAt: Moment
  /// The edges whose answers the stage waits for.
  package var watched: [EdgeID: Watch]

  package init(
    number: Int64, base: UInt64, target: UInt64, pace: Pace, stage: RolloutStage, canary: EdgeID?,
    region: String?, lost: Int = 0, stageBeganAt: Moment, watched: [EdgeID: Watch]
  ) {
    self.number = number
    self.base = base
    self.target = target
    self.pace = pace
    self.stage = stage
    self.canary = canary
    self.region = region
    self.lost = lost
    self.stageBeganAt = stageBeganAt
    self.watched = watched
  }
}

/// How long a rollout watches and waits.
package struct RolloutSettings: Sendable, Equatable {
  /// How long each step of a watched rollout is watched once its edges have the version.
  package var dwellSeconds = 10
  /// How long an edge may take to answer, or to come back.
  package var answerSeconds = 30

  package static let dwellRange = 0...3600
  package static let answerRange = 1...600

  package init() {}
}
