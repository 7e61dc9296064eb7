// A configuration with few of its keys: enough to try it, small enough to hand over.

extension ConfigurationState {
  /// All regions, upstreams and offers, some of the keys, and the teams of those.
  package func sample(keys limit: Int) -> ConfigurationState {
    guard keys.count > limit else { return self }
    var edit = KeySetEdit(of: KeySet())
    for shard in 0..<KeySet.shardCount where edit.putCount < limit {
      keys.forEach(inShard: shard) { if edit.putCount < limit { edit.put($0) } }
    }
    var sample = self
    // What comes out of a set holds together, so that this takes nothing away.
    sample.keys = (try? edit.finished()) ?? KeySet()
    sample.teams = teams.filter { sample.keys.teams.keyCount(of: $0.key) > 0 }
    sample.teamsRevision = .new()
    // Each of them has been encoded before.
    if let sum = try? sample.countedResources() { sample.resourceSum = sum }
    return sample
  }
}
