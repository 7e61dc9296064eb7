import AdminAPI
import ControlPlaneCore
import Foundation
import Postgres
import StraitProtocol
import Testing

@Suite("Staged rollouts")
struct RolloutTests {
  @Test("a change goes to one edge, then its region, then all, each when the one before has answered")
  func stages() async throws {
    try await withControlPlane { first in
      _ = try await first.applyFleet()
      // The edges are spread over two replicas.
      try await withControlPlane(sharing: first) { second in
        let fleet = [
          try await AttendingEdge.join(first), try await AttendingEdge.join(second),
          try await AttendingEdge.join(second, region: "us-east"),
        ]
        let before = try await ChangeStore.newestVersion(on: first.pool)
        fleet.forEach { $0.will(.hold) }
        try await first.changeWeight(of: "mill", to: 7)
        let canary = try await first.openRollout()
        let tried = try #require(fleet.first { $0.edge.id.description == canary.canary })
        try await eventually { tried.held == before + 1 }
        #expect(fleet.filter { $0.held != nil }.count == 1)
        tried.answer()
        let neighbours = fleet.filter { $0.edge.id != tried.edge.id && $0.edge.region == tried.edge.region }
        for neighbour in neighbours {
          try await eventually { neighbour.held == before + 1 }
          let far = fleet.filter { $0.edge.region != tried.edge.region }
          #expect(far.allSatisfy { $0.held == nil && $0.version == before })
          neighbour.answer()
        }
        for edge in fleet where edge.edge.region != tried.edge.region {
          try await eventually { edge.held == before + 1 }
          edge.answer()
        }
        try await eventually { try await first.services.rollouts.list(limit: "1").first?.state == "done" }
        #expect(fleet.allSatisfy { $0.state.offers.values.map(\.weight) == [7] })
        for edge in fleet { await edge.leave() }
      }
    }
  }

  @Test("what one edge refuses is taken back by itself, and no other edge ever saw it")
  func refusal() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let fleet = [
        try await AttendingEdge.join(running), try await AttendingEdge.join(running),
        try await AttendingEdge.join(running, region: "us-east"),
      ]
      let before = try await ChangeStore.newestVersion(on: running.pool)
      fleet.forEach { $0.will(.refuse(before + 1, "I do not want it")) }
      try await running.changeWeight(of: "mill", to: 7)
      try await eventually { fleet.allSatisfy { $0.version == before + 2 } }
      #expect(fleet.allSatisfy { $0.state.offers.values.map(\.weight) == [100] })
      #expect(fleet.filter { $0.refusals > 0 }.count == 1)
      #expect(try await running.services.offers.list().map(\.weight) == [100])
      let rollouts = try await running.services.rollouts.list(limit: nil)
      let refused = try #require(rollouts.first { $0.target == before + 1 })
      #expect(refused.state == "rolled_back" && refused.rolledBackBy == before + 2)
      #expect(refused.reason?.contains("I do not want it") == true)
      // However much goes with it, nobody is to doubt it.
      #expect(try await running.word("confirms", of: before + 2, as: Int64?.self) == Int64(before + 2))
      for edge in fleet { await edge.leave() }
    }
  }

  @Test("going back to what was never everywhere is watched, and to what was everywhere is not")
  func backToUntried() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let edge = try await AttendingEdge.join(running)
      let before = try await ChangeStore.newestVersion(on: running.pool)
      edge.will(.hold)
      try await running.changeWeight(of: "mill", to: 7)
      try await running.changeWeight(of: "mill", to: 8)
      for (version, pace) in [(before + 1, "watched"), (before, "quick")] {
        let back = try await running.services.versions.rollBack(to: String(version), by: .system)
        #expect(try await running.word("pace", of: back.version, as: String.self) == pace)
      }
      await edge.leave()
    }
  }

  @Test(
    "what waited behind a bad offer is not undone with it: teams stay, and a good offer is tried by itself")
  func waiting() async throws {
    try await withControlPlane(rollout: .watchingForLong) { running in
      let team = try await running.applyFleet().team
      let id = try #require(TeamID(team.id))
      try await running.suspend(id)
      let before = try await ChangeStore.newestVersion(on: running.pool)
      let fleet = [
        // Who says that it understands the contract is told of limits.
        try await AttendingEdge.join(running, claiming: .right),
        try await AttendingEdge.join(running, region: "us-east", claiming: .right),
      ]
      try await eventually { fleet.allSatisfy { $0.version == before } }
      try await eventually {
        try await running.services.rollouts.list(limit: "1").allSatisfy { $0.state == "done" }
      }

      try await running.changeWeight(of: "mill", to: 7)
      let opened = try await running.openRollout()
      let canary = try #require(fleet.first { $0.edge.id.description == opened.canary })
      let spared = try #require(fleet.first { $0.edge.id.description != opened.canary })
      try await eventually { canary.version == before + 1 }
      _ = try await running.services.revocations.setSuspended(
        "red", SuspensionRequest(suspended: false, confirm: nil), by: .system)
      _ = try await running.services.teams.update(
        "red", TeamChangeRequest(stalenessLimitSeconds: 900), by: .system)
      _ = try await running.services.offers.create(Sample.offer("good"), by: .system)
      let key = try await running.makeKey()
      // Versions + 2 to + 5 wait; + 6 takes the bad one back everywhere, + 7 has the good offer.
      try await eventually {
        canary.report(ended: 50, failed: 40)
        return spared.version == before + 6 && canary.version == before + 7
      }
      for edge in fleet {
        let team = try #require(edge.state.teams[id])
        #expect(!team.suspended && team.stalenessLimitSeconds == 900)
        #expect(KeyID(key.summary.id).map(edge.state.keys.contains) == true)
        #expect(edge.state.offers.values.first { $0.model == "gemma" }?.weight == 100)
      }
      #expect(spared.state.offers.count == 1 && canary.state.offers.count == 2)
      let rollouts = try await running.services.rollouts.list(limit: nil)
      #expect(rollouts.first { $0.target == before + 1 }?.rolledBackBy == before + 6)
      #expect(rollouts.first?.state == "running" && rollouts.first?.target == before + 7)
      #expect(rollouts.first?.pace == "watched")
      #expect(Set(try await running.services.offers.list().map(\.model)) == ["gemma", "good"])
      let team2 = try #require(try await running.services.teams.list().first)
      #expect(!team2.suspended && team2.stalenessLimitSeconds == 900)
      for edge in fleet { await edge.leave() }
    }
  }

  @Test(
    "what stands on an upstream that is taken back goes with it, and what was changed again since stays changed"
  )
  func dependents() async throws {
    try await withControlPlane { running in
      let offer = try await running.applyFleet().offer
      let edge = try await AttendingEdge.join(running)
      let before = try await ChangeStore.newestVersion(on: running.pool)
      try await eventually { edge.version == before }
      edge.will(.hold)
      _ = try await running.services.upstreams.create(Sample.upstream("other"), by: .system)
      try await eventually { edge.held == before + 1 }
      _ = try await running.services.offers.create(Sample.offer("lost", upstream: "other"), by: .system)
      _ = try await running.services.offers.create(Sample.offer("kept"), by: .system)
      _ = try await running.services.offers.update(offer.id, OfferChangeRequest(weight: 9), by: .system)
      edge.refuseHeld(before + 1, because: "I know no other")
      // + 2 to + 4 waited, + 5 takes the upstream back, + 6 brings again what may stay.
      try await eventually { edge.version == before + 6 }
      #expect(try await running.services.upstreams.list().map(\.name) == ["mill"])
      let offers = try await running.services.offers.list()
      #expect(Set(offers.map(\.model)) == ["gemma", "kept"])
      #expect(offers.first { $0.model == "gemma" }?.weight == 9)
      #expect(Set(edge.state.offers.values.map(\.model)) == ["gemma", "kept"])
      let told = try await running.services.versions.list(before: nil, limit: "1").first?.subject
      #expect(told?.contains("what waited behind version \(before + 1), without") == true)
      await edge.leave()
    }
  }

  @Test("an edge whose own copy is wrong gets everything, and the version goes on, with the key that it has")
  func ownCopy() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let fleet = [
        try await AttendingEdge.join(running), try await AttendingEdge.join(running, region: "us-east"),
      ]
      let before = try await ChangeStore.newestVersion(on: running.pool)
      try await eventually { fleet.allSatisfy { $0.version == before } }
      for edge in fleet { edge.will(.refuseAll(from: before + 1, kind: .ofBase, snapshots: false)) }
      let key = try await running.makeKey()
      try await eventually { fleet.allSatisfy { $0.version == before + 1 } }
      #expect(fleet.allSatisfy { $0.refusals == 1 && $0.bases.last == 0 })
      try await eventually { try await running.services.rollouts.list(limit: "1").first?.state == "done" }
      #expect(
        try await running.services.keys.list(team: nil).first { $0.id == key.summary.id }?.revokedAt == nil)
      for edge in fleet { await edge.leave() }
    }
  }

  @Test("where the whole is refused as well, it is the version's fault after all", arguments: [true, false])
  func ownCopyOrNot(saysOfBase: Bool) async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let edge = try await AttendingEdge.join(running)
      let before = try await ChangeStore.newestVersion(on: running.pool)
      try await eventually { edge.version == before }
      let kind = saysOfBase ? WireRefusalKind.ofBase : .ofVersion
      edge.will(.refuseAll(from: before + 1, kind: kind, snapshots: saysOfBase))
      let key = try await running.makeKey()
      try await eventually {
        try await running.services.keys.list(team: nil).first { $0.id == key.summary.id }?.revokedAt != nil
      }
      edge.will(.take)
      await edge.leave()
    }
  }

  @Test("a key that goes out with what was refused before it is not revoked for that")
  func innocentKey() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let old = try await running.makeKey()
      let edge = try await AttendingEdge.join(running)
      let before = try await ChangeStore.newestVersion(on: running.pool)
      try await eventually { edge.version == before }
      edge.will(.refuseAll(from: before + 1, kind: .ofVersion, snapshots: true))
      _ = try await running.services.keys.revoke(old.summary.publicID, by: .system)
      try await eventually { try await running.services.rollouts.list(limit: "1").first?.state == "halted" }
      let key = try await running.makeKey()
      try await eventually {
        let newest = try await running.services.rollouts.list(limit: "1").first
        return newest?.target == before + 2 && newest?.state == "halted"
      }
      #expect(
        try await running.services.keys.list(team: nil).first { $0.id == key.summary.id }?.revokedAt == nil)
      edge.will(.take)
      let halted = try #require(try await running.services.rollouts.list(limit: "1").first)
      _ = try await running.services.rollouts.resume(String(halted.number), by: .system)
      try await eventually { KeyID(key.summary.id).map(edge.state.keys.contains) == true }
      await edge.leave()
    }
  }

  @Test("a newcomer starts with what is everywhere, while a change is still tried elsewhere")
  func newcomer() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let canary = try await AttendingEdge.join(running)
      let before = canary.version
      canary.will(.hold)
      try await running.changeWeight(of: "mill", to: 7)
      try await eventually { canary.held == before + 1 }
      let newcomer = try await AttendingEdge.join(running, region: "us-east")
      #expect(newcomer.version == before)
      #expect(newcomer.state.offers.values.map(\.weight) == [100])
      canary.answer()
      try await eventually { newcomer.state.offers.values.map(\.weight) == [7] }
      for edge in [canary, newcomer] { await edge.leave() }
    }
  }

  @Test("an edge that was away gets what became of it all when it returns")
  func offline() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let first = try await AttendingEdge.join(running)
      let second = try await AttendingEdge.join(running, region: "us-east")
      await second.leave()
      try await eventually {
        try await FleetStore.list(on: running.pool).filter(\.connected).count == 1
      }
      try await running.changeWeight(of: "mill", to: 7)
      _ = try await running.makeKey()
      try await eventually { first.state.keys.count == 1 }
      let back = try await AttendingEdge.join(running, as: second.edge, holding: second.state)
      try await eventually { back.state == first.state }
      for edge in [first, back] { await edge.leave() }
    }
  }

  @Test("a canary that vanishes is replaced, and without any edge a version is everywhere at once")
  func vanishing() async throws {
    var settings = RolloutSettings()
    (settings.dwellSeconds, settings.answerSeconds) = (0, 12)
    try await withControlPlane(rollout: settings) { running in
      _ = try await running.applyFleet()
      let newest = try await ChangeStore.newestVersion(on: running.pool)
      #expect(try await running.services.versions.list(before: nil, limit: nil).allSatisfy(\.everywhere))
      let fleet = [
        try await AttendingEdge.join(running), try await AttendingEdge.join(running, region: "us-east"),
      ]
      fleet.forEach { $0.will(.hold) }
      try await running.changeWeight(of: "mill", to: 7)
      let opened = try await running.openRollout()
      let canary = try #require(fleet.first { $0.edge.id.description == opened.canary })
      let other = try #require(fleet.first { $0.edge.id.description != opened.canary })
      try await eventually { canary.held == newest + 1 }
      other.will(.take)
      await canary.leave()
      try await eventually { other.version == newest + 1 }
      try await eventually {
        try await running.services.rollouts.find(String(opened.number)).state == "done"
      }
      await other.leave()
    }
  }

  @Test("a halted rollout is resumed or taken back by a person, and ends with a change that mends it")
  func people() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let key = try await running.makeKey()
      let edge = try await AttendingEdge.join(running)
      let rollouts = running.services.rollouts
      // What takes access away is not taken back by itself.
      edge.will(.refuse(edge.version + 1, "too many keys gone"))
      _ = try await running.services.keys.revoke(key.summary.publicID, by: .system)
      try await eventually { try await rollouts.list(limit: "1").first?.state == "halted" }
      let halted = try #require(try await rollouts.list(limit: "1").first)
      let nothing = await #expect(throws: Refusal.self) {
        try await rollouts.abort(String(halted.number), by: .system)
      }
      #expect(nothing?.message.contains("nothing that could be taken back") == true)
      #expect(try await running.services.keys.list(team: nil).first?.revokedAt != nil)
      edge.will(.take)
      let resumed = try await rollouts.resume(String(halted.number), by: .system)
      #expect(resumed.state == "superseded")
      try await eventually { edge.state.keys.isEmpty && edge.version == halted.target + 1 }
      try await eventually { try await rollouts.list(limit: "1").first?.state == "done" }
      let ended = await #expect(throws: Refusal.self) {
        try await rollouts.resume(String(halted.number), by: .system)
      }
      #expect(ended?.kind == .conflict)

      // A running one can be taken back.
      edge.will(.hold)
      try await running.changeWeight(of: "mill", to: 7)
      let open = try await running.openRollout()
      let runs = await #expect(throws: Refusal.self) {
        try await rollouts.resume(String(open.number), by: .system)
      }
      #expect(runs?.message.contains("runs already") == true)
      #expect(try await rollouts.abort(String(open.number), by: .system).state == "rolled_back")
      #expect(try await running.services.offers.list().map(\.weight) == [100])
      edge.answer()
      try await eventually { edge.state.offers.values.map(\.weight) == [100] }
      let unknown = await #expect(throws: Refusal.self) { try await rollouts.find("999") }
      #expect(unknown?.kind == .notFound)
      await edge.leave()
    }
  }

  @Test("a key that the first edge refuses is revoked again and never works")
  func refusedKey() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let edge = try await AttendingEdge.join(running)
      edge.will(.refuse(edge.version + 1, "a key twice"))
      let key = try await running.makeKey()
      try await eventually {
        try await running.services.keys.list(team: nil).first { $0.id == key.summary.id }?.revokedAt != nil
      }
      edge.will(.take)
      await edge.leave()
    }
  }
}

extension RunningControlPlane {
  /// The rollout that runs, as soon as there is one.
  func openRollout() async throws -> RolloutSummary {
    var open: RolloutSummary?
    try await eventually {
      open = try await self.services.rollouts.list(limit: "1").first { $0.state == "running" }
      return open != nil
    }
    guard let open else { throw Refusal(.notFound, "no rollout runs") }
    return open
  }
}

extension RunningControlPlane {
  /// What the log of versions has of one.
  fileprivate func word<Value: PostgresDecodable>(
    _ column: String, of version: UInt64, as type: Value.Type
  ) async throws -> Value {
    let text = "SELECT \(column) FROM configuration_versions WHERE version = \(version)"
    return try await pool.query(Statement(generatedFromTrustedPartsOnly: text)).single().get(column)
  }
}
