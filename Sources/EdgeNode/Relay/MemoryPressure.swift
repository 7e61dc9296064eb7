// How short of memory the process is, and so what it must do without. A decision: bytes in use in, a level out.

package struct MemoryPressure {
  /// Each level does what those before it do.
  package enum Level: UInt8, Comparable, Sendable {
    case normal
    /// Connections that only wait are ended.
    case drainIdle
    /// Requests are answered 503, connections are not accepted.
    case refuse
    /// The streams that hold the most are reset.
    case resetLargest

    package static func < (left: Level, right: Level) -> Bool { left.rawValue < right.rawValue }
  }

  /// In percent of the limit: a level is left only when this much less is in use than it takes to come to it.
  private static let hysteresisPercent = 2

  package let limitBytes: Int
  package private(set) var level = Level.normal
  private let percents: [(level: Level, percent: Int)]

  package init(limitBytes: Int, drainPercent: Int, refusePercent: Int, resetPercent: Int) {
    self.limitBytes = limitBytes
    percents = [(.drainIdle, drainPercent), (.refuse, refusePercent), (.resetLargest, resetPercent)]
  }

  /// - Returns: the level from now on
  package mutating func observe(usedBytes: Int) -> Level {
    var reached = Level.normal
    for step in percents {
      let margin = step.level <= level ? Self.hysteresisPercent : 0
      if usedBytes >= bytes(max(0, step.percent - margin)) { reached = step.level }
    }
    level = reached
    return reached
  }

  /// What must be given back before requests are taken again.
  package func excess(usedBytes: Int) -> Int {
    let refuse = percents.first { $0.level == .refuse }?.percent ?? 100
    return max(0, usedBytes - bytes(max(0, refuse - Self.hysteresisPercent)))
  }

  private func bytes(_ percent: Int) -> Int { limitBytes / 100 * percent }
}
