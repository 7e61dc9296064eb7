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
      for edge in fleet { await edge.leave() }
    }
  }

  @Test("errors that rise at the first edge take a change back, and a key goes on without watching")
  func errors() async throws {
    var settings = RolloutSettings()
    settings.dwellSeconds = 600
    try await withControlPlane(rollout: settings) { running in
      _ = try await running.applyFleet()
      let edge = try await AttendingEdge.join(running)
      let other = try await AttendingEdge.join(running, region: "us-east")
      _ = try await running.makeKey()
      try await eventually { edge.state.keys.count == 1 && other.state.keys.count == 1 }
      let before = try await ChangeStore.newestVersion(on: running.pool)
      try await eventually { try await running.services.rollouts.list(limit: "1").first?.state == "done" }

      try await running.changeWeight(of: "mill", to: 7)
      let opened = try await running.openRollout()
      let canary = opened.canary == edge.edge.id.description ? edge : other
      let spared = opened.canary == edge.edge.id.description ? other : edge
      try await eventually { canary.version == before + 1 }
      #expect(spared.version == before)
      try await eventually {
        // As every edge does, but more often.
        canary.report(ended: 50, failed: 40)
        return canary.version == before + 2 && spared.version == before + 2
      }
      #expect(canary.state.offers.values.map(\.weight) == [100])
      let judged = try await running.services.rollouts.find(String(opened.number))
      #expect(judged.state == "rolled_back")
      #expect(judged.reason?.contains("40 of 50 exchanges failed") == true)
      for edge in [edge, other] { await edge.leave() }
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
    (settings.dwellSeconds, settings.answerSeconds) = (0, 6)
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
