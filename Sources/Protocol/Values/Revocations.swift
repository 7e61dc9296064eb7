// What is taken away ahead of the configuration, and how much of it may go at once.

/// What a revocation refuses: one key, or all that a team has.
package enum RevocationSubject: Hashable, Sendable {
  case key(KeyID)
  case team(TeamID)
}

/// How many keys may go at once before somebody has to say so a second time. Both planes keep to it: the control plane
/// asks the operator, and an edge believes nobody who did not ask.
package enum RevocationCap {
  /// Revocations within so many seconds count as one.
  package static let burstSeconds = 60
  /// So many single keys may go within that time, however small the fleet is.
  package static let burstKeys = 50

  /// The most keys that there need be for `needsConfirmation` to be sure that `count` is little.
  package static func enough(for count: Int, recently: Int) -> Int { 5 * (count + recently) }

  /// Whether more than a fifth of the keys would go, by this revocation or by it and those just before.
  /// - Parameters:
  ///   - count: keys that go now
  ///   - recently: keys that went within `burstSeconds` without a confirmation
  ///   - total: keys that are good now, those that are to go included
  package static func needsConfirmation(of count: Int, recently: Int, total: Int) -> Bool {
    if count > 1 && count * 5 > total { return true }
    let together = count + recently
    return count > 0 && together > burstKeys && together * 5 > total + recently
  }
}
