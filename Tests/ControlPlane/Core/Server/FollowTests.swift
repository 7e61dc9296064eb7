import AdminAPI
import ControlPlaneCore
import Foundation
import GRPCCore
import Postgres
import StraitProtocol
import Synchronization
import Testing

@Suite("Following the configuration")
struct FollowTests {
  @Test("a newcomer gets everything, then what changes, then the revocation")
  func story() async throws {
    try await withControlPlane { running in
      let fleet = try await running.applyFleet()
      let edge = try await TestEdge.enrolled(running)
      let made = NewKeyBox()
      let final = try await edge.follow(running) { state, parts in
        switch await made.step() {
        case 0:
          #expect(parts.first?.fromVersion == 0)
          #expect(state.regions.count == 2 && state.upstreams.count == 1 && state.offers.count == 1)
          #expect(state.teams.values.map(\.name) == [fleet.team.name])
          await made.set(try await running.makeKey())
          return false
        case 1:
          #expect(parts.first?.fromVersion != 0)
          let key = try #require(await made.key)
          let digest = try #require(KeyDigest(bytes: Digest(of: key.key).bytes))
          #expect(state.keys.count == 1 && state.keys[digest] != nil)
          _ = try await running.services.keys.revoke(key.summary.publicID, by: .system)
          return false
        default:
          return state.keys.isEmpty
        }
      }
      #expect(final.version == (try await ChangeStore.newestVersion(on: running.pool)))
    }
  }

  @Test("changes that a refusal crosses come again as one, and not as everything")
  func crossing() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let edge = try await AttendingEdge.join(running)
      let base = edge.version
      edge.will(.hold)
      _ = try await running.makeKey()
      try await eventually { edge.held != nil }
      let refused = try #require(edge.held)
      _ = try await running.makeKey()
      try await eventually { edge.held.map { $0 > refused } == true }
      edge.refuseHeld(refused, because: "a test says so")
      try await eventually { edge.version > refused }
      #expect(edge.state.keys.count == 2)
      #expect(edge.bases == [0, base, refused, base])
      await edge.leave()
    }
  }

  @Test("a change made through one replica reaches an edge on another")
  func replicas() async throws {
    try await withControlPlane { first in
      _ = try await first.applyFleet()
      try await withControlPlane(sharing: first) { second in
        let edge = try await TestEdge.enrolled(first)
        let key = NewKeyBox()
        _ = try await edge.follow(second) { state, _ in
          if await key.step() == 0 { await key.set(try await first.makeKey()) }
          return !state.keys.isEmpty
        }
      }
    }
  }

  @Test("who returns with a known version gets a delta, and who comes from another database a snapshot")
  func returning() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let edge = try await TestEdge.enrolled(running)
      let held = try await edge.follow(running) { _, _ in true }
      _ = try await running.makeKey()
      let next = try await edge.follow(running, holding: held) { _, parts in
        #expect(parts.map(\.fromVersion) == [held.version])
        return true
      }
      #expect(next.keys.count == 1 && next.regions == held.regions)
      try await running.pool.query("UPDATE configuration_state SET version = version + 100")
      try await running.pool.query("DELETE FROM configuration_changes")
      try await running.pool.query("UPDATE audit_entries SET version = NULL")
      try await running.pool.query("DELETE FROM configuration_versions")
      try await running.pool.query(
        "INSERT INTO configuration_versions (version) SELECT version FROM configuration_state")
      _ = try await running.makeKey()
      let isFirst = Mutex(true)
      let pruned = try await edge.follow(running, holding: next) { state, parts in
        // The log of changes does not reach back to what the edge holds. The newest may come in two steps.
        if isFirst.withLock({ first in
          defer { first = false }
          return first
        }) {
          #expect(parts.first?.fromVersion == 0)
        }
        return state.keys.count == 2
      }
      #expect(pruned.keys.count == 2)
    }
  }

  @Test("keys of a suspended team and expired keys are not given out, and are taken away")
  func unusable() async throws {
    try await withControlPlane { running in
      let fleet = try await running.applyFleet()
      let edge = try await TestEdge.enrolled(running)
      let expired = try await running.makeKey(validSeconds: 1000)
      let kept = try await running.makeKey()
      try await running.pool.query(
        "UPDATE keys SET expires_at = now() - interval '1 second' WHERE public_id = $1",
        expired.summary.publicID)
      let before = try await edge.follow(running) { _, _ in true }
      let keptID = try #require(KeyID(kept.summary.id))
      #expect(before.keys.count == 1 && before.keys.contains(keptID))
      let team = try #require(TeamID(fleet.team.id))
      try await ChangeService(pool: running.pool).perform(by: .system) { transaction in
        try await transaction.query("UPDATE teams SET suspended = true WHERE id = $1", team)
        return ((), Change("team.suspend", subject: team, resources: [ResourceKey(.team, team)]))
      }
      let after = try await edge.follow(running, holding: before) { _, _ in true }
      #expect(after.keys.isEmpty && after.teams[team]?.suspended == true)
      let newcomer = try await edge.follow(running) { _, _ in true }
      #expect(newcomer.keys.isEmpty)
    }
  }

  @Test(
    "a large configuration comes in parts that together are one version, to an edge of either form of the contract",
    arguments: [ContractLevel.first, .packed, .confirming, .hashed, .networked])
  func parts(level: ContractLevel) async throws {
    try await withControlPlane { running in
      let fleet = try await running.applyFleet()
      let edge = try await TestEdge.enrolled(running)
      let team = try #require(TeamID(fleet.team.id))
      // 20,000 keys of 72 bytes each do not fit a part of 1 MiB.
      try await running.pool.query(
        """
        INSERT INTO keys (id, team_id, public_id, digest, expires_at)
        SELECT gen_random_uuid(), $1, lpad(n::text, 12, '0'), sha256(n::text::bytea),
          CASE WHEN n % 2 = 0 THEN timestamptz '2100-01-01 00:00:00.000001Z' END
        FROM generate_series(1, 20000) AS n
        """, team)
      let state = try await edge.follow(running, level: level) { _, parts in
        #expect(parts.count > 1)
        #expect(Set(parts.map(\.version)).count == 1)
        let hashes = parts.map(\.contentHash.count)
        #expect(hashes.dropLast().allSatisfy { $0 == 0 } && hashes.last == (level == .networked ? 32 : 0))
        let packed = parts.reduce(0) { $0 + $1.packedKeys.count }
        #expect(packed == (level == .first ? 0 : 20_000 * KeyRecord.packedBytes))
        return true
      }
      #expect(state.keys.count == 20_000)
      // 2100-01-01 is 4,102,444,800 seconds after 1970.
      let even = try #require(KeyDigest(bytes: Digest(of: "2").bytes))
      let odd = try #require(KeyDigest(bytes: Digest(of: "3").bytes))
      #expect(state.keys[even]?.expiresAt == 4_102_444_800_000_001 && state.keys[even]?.teamID == team)
      #expect(state.keys[odd]?.expiresAt == .max)
      _ = try await running.makeKey()
      let changed = try await edge.follow(running, holding: state, level: level) { _, parts in
        #expect(parts.map(\.fromVersion) == [state.version])
        return true
      }
      #expect(changed.keys.count == 20_001)
    }
  }

  @Test(
    "the fleet view shows how long an edge has been behind, its last word, and the certificate it speaks with"
  )
  func lag() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let edge = try await TestEdge.enrolled(running)
      @Sendable func seen() async throws -> EdgeSummary {
        try #require(try await FleetStore.list(on: running.pool).first)
      }
      #expect(try await seen().silentSeconds == nil)
      let ends = Moment(rfc3339: "2031-02-03T04:05:06Z")
      let report = WireEdgeReport.with { $0.certificateExpiresAt = ends?.microseconds ?? 0 }
      _ = try await edge.follow(running, reporting: report) { _, _ in
        try await eventually {
          let now = try await seen()
          return now.certificateExpiresAt == "2031-02-03T04:05:06Z" && now.version == now.newestVersion
        }
        return true
      }
      let inStep = try await seen()
      #expect(inStep.lagSeconds == 0 && inStep.version == inStep.newestVersion)
      #expect(inStep.silentSeconds != nil)
      _ = try await running.makeKey()
      _ = try await running.makeKey()
      // The first of the two that it lacks was made 90 seconds ago, and its last word came 60 seconds ago.
      try await running.pool.query(
        """
        UPDATE configuration_versions SET made_at = now() - interval '90 seconds'
        WHERE version = (SELECT version - 1 FROM configuration_state)
        """)
      try await running.pool.query("UPDATE edges SET last_seen_at = now() - interval '60 seconds'")
      let behind = try await seen()
      #expect((90...120).contains(behind.lagSeconds))
      #expect((60...90).contains(behind.silentSeconds ?? 0))
    }
  }

  @Test("the fleet view shows who follows and what they run, and that they left")
  func fleetView() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let edge = try await TestEdge.enrolled(running)
      let seen = NewKeyBox()
      _ = try await edge.follow(running) { _, _ in
        // The second update cannot come before the acknowledgement of the first was sent.
        if await seen.step() == 0 {
          _ = try await running.makeKey()
          return false
        }
        let listed = try await FleetStore.list(on: running.pool)
        #expect(listed.first?.connected == true)
        return true
      }
      try await eventually { try await FleetStore.list(on: running.pool).first?.connected == false }
    }
  }
}

/// What the steps of a story hand to each other.
actor NewKeyBox {
  private(set) var key: NewKey?
  private var steps = 0

  func set(_ key: NewKey) { self.key = key }

  func step() -> Int {
    defer { steps += 1 }
    return steps
  }
}

/// Waits for something that is bound to happen, however long it takes; the test run's own limit ends it otherwise.
func eventually(_ condition: () async throws -> Bool) async throws {
  while !(try await condition()) { try await Task.sleep(for: .milliseconds(20)) }
}
