// How long an edge may serve a team without a word of the control plane.

/// A span that a team can have, or never. Ordinary teams have none: the edges serve them whatever becomes of the centre.
package struct StalenessLimit: Sendable, Equatable {
  /// Nothing for never.
  package let seconds: Int32?

  package static let never = StalenessLimit(seconds: nil)

  /// An edge hears every five seconds that it is in step, and needs fifteen to notice that a link is dead: below that,
  /// any reconnect would cost the team its service.
  package static let range = 15...365 * 86_400

  private init(seconds: Int32?) {
    self.seconds = seconds
  }

  /// - Parameter asked: as the admin API has it, 0 for never
  package init(asked: Int) throws(Refusal) {
    guard asked != 0 else {
      seconds = nil
      return
    }
    guard Self.range.contains(asked) else {
      throw .invalid(
        "staleness_limit_seconds is \(asked)",
        hint: "use a number from \(Self.range.lowerBound) to \(Self.range.upperBound), or 0 for never")
    }
    seconds = Int32(asked)
  }
}
