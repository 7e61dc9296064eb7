import ControlPlaneCore
import StraitProtocol
import Testing

@Suite("Errors under a rollout")
struct RolloutErrorTests {
  @Test("errors that rise at the first edge take a change back, and a key goes on without watching")
  func errors() async throws {
    try await withControlPlane(rollout: .watchingForLong) { running in
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

  @Test("a second bad change right behind the first is found too")
  func errorsAgain() async throws {
    try await withControlPlane(rollout: .watchingForLong) { running in
      _ = try await running.applyFleet()
      let edge = try await AttendingEdge.join(running)
      try await eventually {
        edge.report(ended: 100, failed: 0)
        return try await running.pool.query("SELECT FROM edges WHERE ended_exchanges = 100").count == 1
      }
      for round in 1...3 as ClosedRange<UInt64> {
        edge.counts(ended: 50 + 50 * round, failed: 45 * (round - 1))
        try await running.changeWeight(of: "mill", to: 7)
        let opened = try await running.openRollout()
        let shown = { try await running.services.rollouts.find(String(opened.number)) }
        try await eventually { try await shown().edges?.first?.version == opened.target }
        try await eventually {
          // Beside what failed before, as little as ever rises.
          edge.report(ended: 100 + 50 * round, failed: 45 * round)
          return try await shown().state == "rolled_back"
        }
        #expect(try await shown().reason?.contains("where 0 % failed before") == true)
        try await eventually {
          try await running.services.rollouts.list(limit: "1").first?.state == "done"
        }
      }
      await edge.leave()
    }
  }

  @Test("an edge that comes back counts on until it says otherwise")
  func countsOn() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let edge = try await AttendingEdge.join(running)
      try await eventually {
        edge.report(ended: 100, failed: 50)
        return try await running.pool.query("SELECT FROM edges WHERE ended_exchanges = 100").count == 1
      }
      await edge.leave()
      let back = try await AttendingEdge.join(running, as: edge.edge, holding: edge.state)
      _ = try await running.makeKey()
      let newest = try await ChangeStore.newestVersion(on: running.pool)
      try await eventually {
        try await running.pool.query("SELECT FROM edges WHERE version = $1", Int64(newest)).count == 1
      }
      let counted = try await running.pool.query(
        "SELECT FROM edges WHERE ended_exchanges = 100 AND failed_exchanges = 50")
      #expect(counted.count == 1)
      await back.leave()
    }
  }

  @Test(
    "what had failed by the time that an edge took a version, and is reported only then, does not tell against it"
  )
  func failuresReportedLate() async throws {
    try await withControlPlane(rollout: .watchingForLong) { running in
      _ = try await running.applyFleet()
      let edge = try await AttendingEdge.join(running)
      edge.report(ended: 100, failed: 1)
      edge.counts(ended: 150, failed: 45)
      edge.will(.hold)
      try await running.changeWeight(of: "mill", to: 7)
      let opened = try await running.openRollout()
      let shown = { try await running.services.rollouts.find(String(opened.number)) }
      try await eventually { edge.held == opened.target }
      edge.answer()
      try await eventually { try await shown().edges?.first?.version == opened.target }
      try await eventually {
        edge.report(ended: 170, failed: 56)
        return try await shown().state == "rolled_back"
      }
      let reason = try await shown().reason
      #expect(reason?.contains("11 of 20 exchanges failed") == true)
      await edge.leave()
    }
  }
}

extension RolloutSettings {
  /// No step ends by itself while a test looks at it.
  static var watchingForLong: Self {
    var settings = Self()
    settings.dwellSeconds = 600
    return settings
  }
}
