// How fast edges that come are let in. A fleet that lost its centre comes back at once, and what each newcomer costs the
// database must not take it from those that are in already.

/// Streams begin at a steady rate, in the order in which they came; a few may begin at once.
package actor StreamAdmission {
  package struct Limits: Sendable, Equatable {
    package var perSecond = 40.0
    /// May begin without waiting when nobody came for a while.
    package var atOnce = 40.0
    /// Whoever would wait longer is turned away, and comes again by itself.
    package var longestWait = Duration.seconds(30)

    package init() {}
  }

  private let limits: Limits
  private let clock = ContinuousClock()
  private var nextTurn: ContinuousClock.Instant

  package init(_ limits: Limits = Limits()) {
    self.limits = limits
    nextTurn = clock.now
  }

  /// Returns when it is the caller's turn.
  /// - Throws: `Refusal` when that is too far away, and what cancellation throws
  package func admit() async throws {
    let wait = try turn(at: clock.now)
    if wait > .zero { try await clock.sleep(for: wait) }
  }

  /// - Returns: how long the caller waits from `now` on
  package func turn(at now: ContinuousClock.Instant) throws(Refusal) -> Duration {
    let interval = Duration.seconds(1 / limits.perSecond)
    let earliest = max(nextTurn, now - interval * (limits.atOnce - 1))
    let wait = now.duration(to: earliest)
    guard wait <= limits.longestWait else {
      throw Refusal(.unavailable, "many edges come back at once; come again in a few seconds")
    }
    nextTurn = earliest + interval
    return max(.zero, wait)
  }
}
