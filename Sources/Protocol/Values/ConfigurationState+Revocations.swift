// What the revocation lane asks of a configuration.

extension ConfigurationState {
  /// How many keys of the configuration a revocation takes away.
  package func keyCount(under subject: RevocationSubject) -> Int {
    switch subject {
    case .key(let key): return keys.contains(key) ? 1 : 0
    case .team(let team):
      guard let known = teams[team], !known.suspended else { return 0 }
      return keys.teams.keyCount(of: team)
    }
  }
}
