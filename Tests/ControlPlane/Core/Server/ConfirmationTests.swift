import AdminAPI
import ControlPlaneCore
import Foundation
import Postgres
import StraitProtocol
import Testing

@Suite("Confirming that much goes")
struct ConfirmationTests {
  @Test(
    "an edge that refused what is gone is sent it again with the confirmation, and the operator sees what goes"
  )
  func refused() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let keys = try await running.keys(3, of: "red")
      let edge = try await AttendingEdge.join(running)
      // It may join with the version before, while the newest is on its way.
      let standing = try await ChangeStore.newestVersion(on: running.pool)
      try await eventually { edge.version == standing }
      edge.will(.refuse(standing + 1, "all 3 keys would be gone"))
      _ = try await running.services.keys.revoke(keys[0], by: .system)
      try await eventually { edge.refusals > 0 }
      let result = try await running.services.versions.confirm(String(standing + 1), by: .system)
      #expect(
        result.edges == [
          ConfirmedEdge(
            edge: edge.edge.id.description, region: "eu-west", version: standing, regions: 0, upstreams: 0,
            offers: 0, teams: 0, keys: 1)
        ])
      try await eventually { edge.version == result.version }
      await edge.leave()
    }
  }

  @Test("what was never made and what came before the history cannot be confirmed")
  func unknown() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      for version in ["999", "0", "x", "-1"] {
        await #expect(throws: Refusal.self) {
          _ = try await running.services.versions.confirm(version, by: .system)
        }
      }
    }
  }
}

extension RunningControlPlane {
  /// The public ids of new keys.
  fileprivate func keys(_ count: Int, of team: String) async throws -> [String] {
    var ids: [String] = []
    for _ in 0..<count { ids.append(try await makeKey(team: team).summary.publicID) }
    return ids
  }
}
