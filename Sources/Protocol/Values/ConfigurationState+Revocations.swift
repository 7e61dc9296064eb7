// What the revocation lane and the doubts about removals ask of a configuration: how many keys are good.

extension ConfigurationState {
  /// How many keys of the configuration a revocation takes away: those that have ended are none.
  /// - Parameter now: microseconds since 1970
  package func keyCount(under subject: RevocationSubject, now: Int64) -> Int {
    switch subject {
    case .key(let key): return keys[key].map { $0.expiresAt > now ? 1 : 0 } ?? 0
    case .team(let team):
      guard let known = teams[team], !known.suspended else { return 0 }
      return keys.liveCounts(of: team, now: now).team
    }
  }
}

extension KeySet {
  /// Keys that have not ended, of one team and altogether. Looks at every key where any may have ended.
  /// - Parameter now: microseconds since 1970
  package func liveCounts(of team: TeamID? = nil, now: Int64) -> (team: Int, all: Int) {
    var counts = (team: team.map { teams.keyCount(of: $0) } ?? 0, all: count)
    guard sums.mayEnd(by: now) else { return counts }
    forEach { key in
      guard key.expiresAt <= now else { return }
      counts.all -= 1
      if key.teamID == team { counts.team -= 1 }
    }
    return counts
  }
}
