import AdminAPI
import ControlPlaneCore
import StraitProtocol
import Testing

@Suite("A team's staleness limit")
struct StalenessTests {
  @Test("is made with the team or later, reaches the edges, shows in the history, and is taken away again")
  func story() async throws {
    try await withControlPlane { running in
      let fleet = try await running.applyFleet()
      let teams = running.services.teams
      #expect(fleet.team.stalenessLimitSeconds == nil)
      let strict = try await teams.create(
        TeamRequest(name: "strict", account: nil, stalenessLimitSeconds: 900), by: .system)
      #expect(strict.stalenessLimitSeconds == 900)
      let edge = try await TestEdge.enrolled(running)
      let first = try await edge.follow(running) { state, _ in state.teams.count == 2 }
      #expect(first.limits == ["red": 0, "strict": 900])

      let changed = try await teams.update(
        "red", TeamChangeRequest(stalenessLimitSeconds: 60), by: .system)
      #expect(changed.stalenessLimitSeconds == 60)
      let version = try await ChangeStore.newestVersion(on: running.pool)
      let shown = try await running.services.versions.difference(from: nil, to: String(version))
      #expect(
        shown.resources.map(\.fields) == [
          [FieldDifference(field: "staleness_limit_seconds", before: nil, after: "60")]
        ])
      _ = try await teams.update(strict.id, TeamChangeRequest(stalenessLimitSeconds: 0), by: .system)
      // What is so already is no version.
      let newest = try await ChangeStore.newestVersion(on: running.pool)
      _ = try await teams.update("red", TeamChangeRequest(stalenessLimitSeconds: 60), by: .system)
      #expect(try await ChangeStore.newestVersion(on: running.pool) == newest)
      let second = try await edge.follow(running, holding: first) { state, _ in state.version == newest }
      #expect(second.limits == ["red": 60, "strict": 0])
      #expect(try await teams.list().map(\.stalenessLimitSeconds) == [60, nil])

      _ = try await running.services.versions.rollBack(to: String(version), by: .system)
      #expect(try await teams.list().map(\.stalenessLimitSeconds) == [60, 900])
    }
  }

  @Test(
    "is a span that an edge can keep, and a team must be named", arguments: [-1, 1, 14, 31_536_001, .max])
  func bounds(seconds: Int) async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      await #expect(throws: Refusal.self) {
        _ = try await running.services.teams.update(
          "red", TeamChangeRequest(stalenessLimitSeconds: seconds), by: .system)
      }
      await #expect(throws: Refusal.self) {
        _ = try await running.services.teams.create(
          TeamRequest(name: "blue", account: nil, stalenessLimitSeconds: seconds), by: .system)
      }
      await #expect(throws: Refusal.self) {
        _ = try await running.services.teams.update(
          "nobody", TeamChangeRequest(stalenessLimitSeconds: 60), by: .system)
      }
      await #expect(throws: Refusal.self) {
        _ = try await running.services.teams.update(
          "red", TeamChangeRequest(stalenessLimitSeconds: nil), by: .system)
      }
    }
  }
}

extension ConfigurationState {
  fileprivate var limits: [String: UInt32] {
    Dictionary(uniqueKeysWithValues: teams.values.map { ($0.name, $0.stalenessLimitSeconds) })
  }
}
