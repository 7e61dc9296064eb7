import AdminAPI
import ControlPlaneCore
import Foundation
import Postgres
import StraitProtocol
import Testing

/// Notifications can be lost: a listener's connection breaks, a pooler stands in between. What is asked for every few
/// seconds finds the same.
@Suite("News without a notification", .timeLimit(.minutes(5)))
struct PollTests {
  @Test(
    "a version is found by asking, whether it has a rollout before it or is everywhere",
    arguments: [true, false])
  func version(isEverywhere: Bool) async throws {
    try await withControlPlane { running in
      let team = try await running.applyFleet().team
      let id = try #require(TeamID(team.id))
      let edge = try await AttendingEdge.join(running)
      let before = try await ChangeStore.newestVersion(on: running.pool)
      try await eventually { edge.version == before }
      try await eventually {
        try await running.services.rollouts.list(limit: nil).allSatisfy { $0.state == "done" }
      }
      try await running.renameSilently(id, to: "crimson", isEverywhere: isEverywhere)
      try await eventually { edge.version == before + 1 }
      #expect(edge.state.teams[id]?.name == "crimson")
      await edge.leave()
    }
  }

  @Test("a revocation is found by asking")
  func revocation() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let key = try #require(KeyID(try await running.makeKey().summary.id))
      let edge = try await TestEdge.enrolled(running)
      try await edge.watch(running) { lane in
        try await lane.hello()
        try await running.pool.query(
          """
          INSERT INTO revocations (number, key_id, version, key_count, confirmed)
          SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, $1, version, 1, false
          FROM configuration_state
          """, key)
        #expect(try await lane.next().keyID == Data(key.bytes))
      }
    }
  }
}

extension RunningControlPlane {
  /// A change as `ChangeStore` writes it, but for the notification.
  /// - Parameter isEverywhere: no step of a rollout tells of it either
  fileprivate func renameSilently(_ team: TeamID, to name: String, isEverywhere: Bool) async throws {
    try await pool.transaction { transaction in
      try await transaction.query("UPDATE teams SET name = $2 WHERE id = $1", team, name)
      let version: Int64 = try await transaction.query(
        """
        UPDATE configuration_state SET version = version + 1,
          everywhere = CASE WHEN $1 THEN version + 1 ELSE everywhere END RETURNING version
        """, isEverywhere
      ).single().get("version")
      try await transaction.query(
        "INSERT INTO configuration_versions (version, pace) VALUES ($1, 'quick')", version)
      try await transaction.query(
        """
        WITH kept AS (
          DELETE FROM resources_before WHERE transaction = pg_current_xact_id() RETURNING kind, resource, content
        )
        INSERT INTO configuration_changes (version, kind, resource, before)
        SELECT $1, kind, resource, content FROM kept
        """, version)
    }
  }
}
