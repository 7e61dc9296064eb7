// The keys that an edge knows, by digest: flat memory, read without locks, allocation or reference counting.

import COpenSSL
import Dispatch
import Glibc
import StraitProtocol

extension KeyDigest {
  package init(hashing key: UnsafeRawBufferPointer) {
    self.init()
    withUnsafeMutableBytes(of: &words) { space in
      strait_sha256(key.baseAddress, key.count, space.bindMemory(to: UInt8.self).baseAddress)
    }
  }
}

/// Who asks: a key that exists, belongs to a team that may ask, and has not expired.
package struct Caller: Equatable, BitwiseCopyable, Sendable {
  /// By which the caller is looked up again when the configuration changes.
  package let digest: KeyDigest
  package let keyID: KeyID
  package let teamID: TeamID
  /// Microseconds since 1970; `Int64.max` for never.
  package let expiresAt: Int64
  /// Without a word of the control plane for longer, the team is refused; 0 for never.
  package let stalenessLimitSeconds: UInt32
}

/// A directory of the key set's shards. Making one costs 64 KB and no look at the keys, however many there are.
struct KeyTable: ~Copyable, @unchecked Sendable {
  // Written in init alone; afterwards only read, by any thread.
  private let shards: UnsafeMutablePointer<KeyShardView>
  private let teams: UnsafeMutablePointer<TeamStanding>
  /// Keeps alive what `shards` points at.
  private let keys: KeySet

  private struct TeamStanding: BitwiseCopyable {
    var id: TeamID
    var mayAsk: Bool
    var stalenessLimitSeconds: UInt32
  }

  init(_ state: ConfigurationState) {
    keys = state.keys
    shards = .allocate(capacity: KeySet.shardCount)
    for shard in 0..<KeySet.shardCount { (shards + shard).initialize(to: state.keys.view(ofShard: shard)) }
    let span = keys.teams.span
    teams = .allocate(capacity: max(1, span))
    for number in 0..<span {
      let id = keys.teams[UInt32(number)]
      let team = state.teams[id]
      (teams + number).initialize(
        to: TeamStanding(
          id: id, mayAsk: team.map { !$0.suspended } ?? false,
          stalenessLimitSeconds: team?.stalenessLimitSeconds ?? 0))
    }
  }

  /// The last to let go may be a worker, and giving back the memory of many shards would hold it up.
  deinit {
    shards.deallocate()
    teams.deallocate()
    let keys = keys
    DispatchQueue.global(qos: .utility).async { withExtendedLifetime(keys) {} }
  }

  var count: Int { keys.count }

  func find(_ digest: KeyDigest) -> Caller? {
    guard let entry = shards[KeySet.shard(of: digest)].find(digest) else { return nil }
    let team = teams[Int(entry.pointee.team)]
    guard team.mayAsk else { return nil }
    return Caller(
      digest: entry.pointee.digest, keyID: entry.pointee.id, teamID: team.id,
      expiresAt: entry.pointee.expiresAt, stalenessLimitSeconds: team.stalenessLimitSeconds)
  }
}
