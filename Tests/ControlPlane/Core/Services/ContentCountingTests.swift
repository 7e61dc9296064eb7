import AdminAPI
import ControlPlaneCore
import Foundation
import Postgres
import StraitProtocol
import Synchronization
import TestSupport
import Testing

@Suite("What a version comes to")
struct ContentCountingTests {
  @Test("is sent with every update, and edges of two regions that go step by step come to it as newcomers do")
  func history() async throws {
    try await withControlPlane { running in
      var generator = SeededGenerator()
      _ = try await running.applyFleet()
      let edges = [
        try await TestEdge.enrolled(running), try await TestEdge.enrolled(running, region: "us-east"),
      ]
      let hashes = Mutex((sent: 0, missing: 0))
      @Sendable func follow(_ edge: TestEdge, from held: ConfigurationState) async throws
        -> ConfigurationState
      {
        let newest = try await ChangeStore.newestVersion(on: running.pool)
        if held.version == newest { return held }
        // Every hash is checked where the update is applied.
        return try await edge.follow(running, holding: held) { state, parts in
          guard state.version >= newest else { return false }
          // A step on the way to the newest, which the replica had not heard of yet, is sent without.
          let isHashed = parts.last?.contentHash.isEmpty == false
          hashes.withLock { if isHashed { $0.sent += 1 } else { $0.missing += 1 } }
          return true
        }
      }
      // A change that finds edges still there would wait for reports that these do not send.
      @Sendable func gone() async throws {
        try await eventually { try await FleetStore.list(on: running.pool).allSatisfy { !$0.connected } }
      }
      var held = [ConfigurationState(), ConfigurationState()]
      for index in edges.indices { held[index] = try await follow(edges[index], from: held[index]) }
      var keys: [String] = []
      try await gone()
      // What chance may leave out, and the control needs: something that one region alone may have.
      try await addPrivateUpstream(running, "always")
      for step in 0..<24 {
        try await gone()
        for turn in 0...Int.random(in: 0..<2, using: &generator) {
          try await edit(running, "\(step)-\(turn)", &keys, &generator)
        }
        for index in edges.indices where Bool.random(using: &generator) {
          held[index] = try await follow(edges[index], from: held[index])
        }
      }
      for index in edges.indices {
        held[index] = try await follow(edges[index], from: held[index])
        let newcomer = try await follow(edges[index], from: ConfigurationState())
        #expect(newcomer.upstreams == held[index].upstreams, "\(generator)")
        #expect(
          newcomer.contentHash(fromDay: 30_000) == held[index].contentHash(fromDay: 30_000), "\(generator)")
      }
      // The control: the regions do not see the same.
      #expect(held[0].upstreams.count > held[1].upstreams.count)
      #expect(held[0].contentHash(fromDay: 0) != held[1].contentHash(fromDay: 0))
      let (sent, missing) = hashes.withLock { $0 }
      #expect(sent > 10)
      #expect(missing == 0, "\(generator)")
    }
  }

  @Test("is right where all keys of a team were revoked, few or many", arguments: [3, 1_200, 21_000])
  func teamRevoked(count: Int) async throws {
    try await withControlPlane { running in
      let fleet = try await running.applyFleet()
      let edge = try await TestEdge.enrolled(running)
      let team = try #require(TeamID(fleet.team.id))
      try await running.pool.query(
        """
        INSERT INTO keys (id, team_id, public_id, digest)
        SELECT gen_random_uuid(), $1, lpad(n::text, 12, '0'), sha256(n::text::bytea) FROM generate_series(1, $2) AS n
        """, team, Int64(count))
      let held = try await edge.follow(running) { _, _ in true }
      #expect(held.keys.count == count)
      // A change that finds the edge still there would wait for its reports.
      try await eventually { try await FleetStore.list(on: running.pool).allSatisfy { !$0.connected } }
      let before = try await ChangeStore.newestVersion(on: running.pool)
      let revocations = RevocationService(changes: ChangeService(pool: running.pool))
      let result = try await revocations.revoke(
        RevocationRequest(ids: nil, team: fleet.team.name, confirm: count), by: .system)
      #expect(result.revokedKeys == count)
      // What it does not come to would not be applied; what cannot be told is not said.
      let next = try await edge.follow(running, holding: held) { _, parts in
        #expect(parts.first?.fromVersion == before)
        #expect(parts.last?.contentHash.count == (count > 20_000 ? 0 : 32))
        return true
      }
      #expect(next.keys.isEmpty && next.teams[team] != nil)
      let (differences, _) = try await HistoryStore.differences(
        from: before, to: before + 1, limit: 10, on: running.pool)
      #expect(differences.allSatisfy { $0.kind == "key" })
      // The way back leaves the team, and its keys revoked.
      try await eventually { try await FleetStore.list(on: running.pool).allSatisfy { !$0.connected } }
      _ = try await running.services.teams.create(TeamRequest(name: "later", account: nil), by: .system)
      _ = try await running.services.versions.rollBack(to: "\(before)", by: .system)
      let back = try await edge.follow(running, holding: next) { _, _ in true }
      #expect(back.teams[team]?.name == fleet.team.name && back.keys.isEmpty)
    }
  }

  private func edit(
    _ running: RunningControlPlane, _ word: String, _ keys: inout [String], _ generator: inout SeededGenerator
  ) async throws {
    let services = running.services
    switch Int.random(in: 0..<8, using: &generator) {
    case 0: try await addPrivateUpstream(running, word)
    case 1: _ = try await services.upstreams.create(Sample.upstream("public-\(word)"), by: .system)
    case 2: _ = try await services.teams.create(TeamRequest(name: "team-\(word)", account: nil), by: .system)
    case 3 where !keys.isEmpty:
      _ = try await services.keys.revoke(keys.removeFirst(), by: .system)
    case 4:
      let newest = try await ChangeStore.newestVersion(on: running.pool)
      _ = try await services.versions.rollBack(to: "\(newest - 1)", by: .system)
    case 5: try await suspendOrResume(running)
    default:
      let seconds: Int? = [nil, 1_000, 9_000_000].randomElement(using: &generator) ?? nil
      keys.append(try await running.makeKey(validSeconds: seconds).summary.publicID)
    }
  }

  private func addPrivateUpstream(_ running: RunningControlPlane, _ word: String) async throws {
    _ = try await running.services.upstreams.create(
      Sample.upstream("private-\(word)", credential: "secret", isPrivate: true), by: .system)
    _ = try await running.services.offers.create(
      Sample.offer("m-\(word)", upstream: "private-\(word)"), by: .system)
  }

  private func suspendOrResume(_ running: RunningControlPlane) async throws {
    try await ChangeService(pool: running.pool).perform(by: .system) { transaction in
      let row = try await transaction.query(
        "UPDATE teams SET suspended = NOT suspended WHERE name = 'red' RETURNING id"
      ).single()
      let team: TeamID = try row.get("id")
      return ((), Change("team.suspend", subject: team, resources: [ResourceKey(.team, team)]))
    }
  }

  @Test("is not sent while it is not known, and is from then on")
  func replica() async throws {
    try await withControlPlane { first in
      _ = try await first.applyFleet()
      let edge = try await TestEdge.enrolled(first)
      let held = try await edge.follow(first) { _, parts in
        #expect(parts.last?.contentHash.count == 32)
        return true
      }
      // Another replica has sent nothing whole yet: it begins to count beside the first delta.
      try await withControlPlane(sharing: first) { second in
        let state = Mutex(held)
        try await eventually {
          _ = try await second.makeKey()
          let isHashed = Mutex(false)
          let next = try await edge.follow(second, holding: state.withLock { $0 }) { _, parts in
            isHashed.withLock { $0 = parts.last?.contentHash.isEmpty == false }
            return true
          }
          state.withLock { $0 = next }
          return isHashed.withLock { $0 }
        }
      }
    }
  }

  @Test("is the same from every replica, whichever counted what")
  func agreement() async throws {
    try await withControlPlane { first in
      _ = try await first.applyFleet()
      let edge = try await TestEdge.enrolled(first)
      _ = try await first.makeKey(validSeconds: 9_000_000)
      let held = try await edge.follow(first) { _, _ in true }
      let key = try await first.makeKey()
      try await withControlPlane(sharing: first) { second in
        // The one goes on from what it counted; the other counts everything.
        let newcomers = Mutex<[WireConfigurationUpdate]>([])
        let deltas = Mutex<[WireConfigurationUpdate]>([])
        for replica in [first, second] {
          try await eventually {
            let state = try await edge.follow(replica) { _, parts in
              if let last = parts.last { newcomers.withLock { $0.append(last) } }
              return true
            }
            return state.keys.count == 2
          }
        }
        _ = try await first.services.keys.revoke(key.summary.publicID, by: .system)
        for replica in [first, second] {
          let newest = try await ChangeStore.newestVersion(on: first.pool)
          _ = try await edge.follow(replica, holding: held) { state, parts in
            if state.version == newest, let last = parts.last { deltas.withLock { $0.append(last) } }
            return state.version == newest
          }
        }
        let told = deltas.withLock { $0 }
        #expect(told.count == 2 && told[0].contentHash.count == 32)
        #expect(told[0].contentHash == told[1].contentHash && told[0].hashedFromDay == told[1].hashedFromDay)
        let whole = newcomers.withLock { $0 }
        #expect(Set(whole.filter { $0.version == whole.last?.version }.map(\.contentHash)).count == 1)
        #expect(whole.last?.contentHash != told[0].contentHash)
      }
    }
  }

  @Test("goes on past a private upstream that is gone, and begins anew after a change of very much")
  func largeChanges() async throws {
    try await withControlPlane { running in
      let fleet = try await running.applyFleet()
      let team = try #require(TeamID(fleet.team.id))
      let edge = try await TestEdge.enrolled(running, region: "us-east")
      let hashes = Mutex<[Int]>([])
      @Sendable func follow(from held: ConfigurationState) async throws -> ConfigurationState {
        let newest = try await ChangeStore.newestVersion(on: running.pool)
        let state = try await edge.follow(running, holding: held) { state, parts in
          guard state.version >= newest else { return false }
          hashes.withLock { $0.append(parts.last?.contentHash.count ?? -1) }
          return true
        }
        try await eventually { try await FleetStore.list(on: running.pool).allSatisfy { !$0.connected } }
        return state
      }
      var held = try await follow(from: ConfigurationState())
      let version = try await ChangeStore.newestVersion(on: running.pool)
      _ = try await running.services.upstreams.create(
        Sample.upstream("cellar", credential: "secret", isPrivate: true), by: .system)
      _ = try await running.services.offers.create(Sample.offer("wine", upstream: "cellar"), by: .system)
      held = try await follow(from: held)
      _ = try await running.services.versions.rollBack(to: "\(version)", by: .system)
      held = try await follow(from: held)
      #expect(hashes.withLock { $0 }.allSatisfy { $0 == 32 })
      hashes.withLock { $0 = [] }
      try await ChangeService(pool: running.pool).perform(by: .system) { transaction in
        let rows = try await transaction.query(
          """
          INSERT INTO keys (id, team_id, public_id, digest)
          SELECT gen_random_uuid(), $1, lpad(n::text, 12, '0'), sha256(n::text::bytea) FROM generate_series(1, 20001) AS n
          RETURNING id
          """, team)
        let keys = try rows.map { ResourceKey(.key, try $0.get("id", as: KeyID.self)) }
        return ((), Change("key.create", subject: team, resources: keys))
      }
      held = try await follow(from: held)
      #expect(held.keys.count == 20_001)
      #expect(hashes.withLock { $0 } == [0])
      // Counted meanwhile, beside what is sent.
      try await eventually {
        _ = try await running.makeKey()
        held = try await follow(from: held)
        return hashes.withLock { $0.last } == 32
      }
    }
  }
}
