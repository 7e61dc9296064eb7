import AdminAPI
import ControlPlaneCore
import Foundation
import Postgres
import StraitProtocol
import Testing

@Suite("Rollouts and an outage of the control plane", .timeLimit(.minutes(5)))
struct RolloutOutageTests {
  @Test("a watched version waits for edges that were away with the control plane", arguments: [true, false])
  func watched(isOutage: Bool) async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let (edge, before, open) = try await running.tryOnOneEdge()
      _ = try await running.services.offers.create(Sample.offer("next"), by: .system)
      try await running.seeOff(edge)
      try await running.pass(minutes: 10, withoutControlPlane: isOutage)
      if isOutage {
        // Some looks later.
        try await eventually { try await running.attendedSeconds() > 3 }
        #expect(try await running.state(of: open) == "running")
        #expect(try await running.newestVersion().version == before + 2)
        let back = try await AttendingEdge.join(running, as: edge.edge, holding: edge.state)
        try await eventually { back.version == before + 2 }
        #expect(try await running.state(of: open) == "done")
        await back.leave()
      } else {
        // Taken back, and what waited behind it again, for whoever comes.
        try await eventually { try await running.state(of: open) == "rolled_back" }
        let newest = try await running.newestVersion()
        #expect(newest.version == before + 4 && newest.everywhere)
      }
    }
  }

  @Test("a version made before edges are back is tried on the first of them", arguments: [true, false])
  func first(isOutage: Bool) async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let edge = try await AttendingEdge.join(running)
      try await running.seeOff(edge)
      try await running.pass(minutes: 10, withoutControlPlane: isOutage)
      _ = try await running.makeKey()
      let made = try await running.newestVersion()
      #expect(made.everywhere == !isOutage)
      let back = try await AttendingEdge.join(running, as: edge.edge, holding: edge.state)
      try await eventually { back.state.keys.count == 1 }
      try await eventually { try await running.newestVersion().everywhere }
      let rollouts = try await running.services.rollouts.list(limit: nil)
      #expect(rollouts.contains { $0.target == made.version && $0.state == "done" } == isOutage)
      await back.leave()
    }
  }

  @Test("a version that is made just after the only control plane began again is tried as well")
  func restart() async throws {
    let (first, edge) = try await withControlPlane { running in
      _ = try await running.applyFleet()
      let edge = try await AttendingEdge.join(running)
      try await running.seeOff(edge)
      return (running, edge)
    }
    try await withControlPlane(sharing: first) { running in
      _ = try await running.makeKey()
      #expect(try await !running.newestVersion().everywhere)
      let back = try await AttendingEdge.join(running, as: edge.edge, holding: edge.state)
      try await eventually { back.state.keys.count == 1 }
      try await eventually { try await running.newestVersion().everywhere }
      await back.leave()
    }
  }

  @Test("an edge that comes back after the time to answer has it anew")
  func late() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let (edge, before, open) = try await running.tryOnOneEdge()
      try await running.seeOff(edge)
      try await running.pool.transaction { transaction in
        // It has left just now, and the version is out for longer than an edge may take to answer.
        try await transaction.query(
          "UPDATE rollouts SET stage_began_at = stage_began_at - interval '40 seconds'")
        try await transaction.query("UPDATE attendance SET since = since - interval '20 minutes'")
      }
      let back = try await AttendingEdge.join(
        running, as: edge.edge, holding: edge.state, behaving: .hold)
      try await eventually { back.held == before + 1 }
      back.answer()
      try await eventually { try await running.state(of: open) != "running" }
      #expect(try await running.state(of: open) == "done")
      #expect(back.state.offers.values.map(\.weight) == [7])
      await back.leave()
    }
  }
}

extension RunningControlPlane {
  /// A watched version that the only edge has got, and not answered yet.
  fileprivate func tryOnOneEdge() async throws -> (
    edge: AttendingEdge, before: UInt64, rollout: RolloutSummary
  ) {
    let edge = try await AttendingEdge.join(self)
    let before = try await ChangeStore.newestVersion(on: pool)
    try await eventually { edge.version == before }
    edge.will(.hold)
    try await changeWeight(of: "mill", to: 7)
    try await eventually { edge.held == before + 1 }
    return (edge, before, try await openRollout())
  }

  fileprivate func state(of rollout: RolloutSummary) async throws -> String {
    try await services.rollouts.find(String(rollout.number)).state
  }

  fileprivate func newestVersion() async throws -> VersionSummary {
    try #require(try await services.versions.list(before: nil, limit: "1").first)
  }

  /// The edge leaves, and is known to have left.
  fileprivate func seeOff(_ edge: AttendingEdge) async throws {
    await edge.leave()
    try await eventually { try await FleetStore.list(on: self.pool).allSatisfy { !$0.connected } }
  }

  /// As if all that edges did, and the stage's beginning, had been so long ago. Either the control plane was away
  /// since then and is back now, or it was there.
  fileprivate func pass(minutes: Int, withoutControlPlane: Bool) async throws {
    try await pool.transaction { transaction in
      // No step is taken in between.
      try await transaction.query("SELECT FROM configuration_state FOR UPDATE")
      try await transaction.query(
        """
        UPDATE edges SET last_seen_at = last_seen_at - make_interval(mins => $1),
          stream_began_at = stream_began_at - make_interval(mins => $1)
        """, Int32(minutes))
      try await transaction.query(
        "UPDATE rollouts SET stage_began_at = stage_began_at - make_interval(mins => $1)", Int32(minutes))
      try await transaction.query(
        """
        UPDATE attendance SET noted_at = clock_timestamp(),
          since = clock_timestamp() - make_interval(mins => CASE WHEN $2 THEN 0 ELSE 2 * $1 END),
          before = clock_timestamp() - make_interval(mins => CASE WHEN $2 THEN $1 ELSE 2 * $1 END)
        """, Int32(minutes), withoutControlPlane)
    }
  }

  /// For how long replicas have said since a break that they are there.
  fileprivate func attendedSeconds() async throws -> Double {
    try await pool.query(
      "SELECT extract(epoch FROM noted_at - since)::double precision AS seconds FROM attendance"
    ).single().get("seconds")
  }
}
