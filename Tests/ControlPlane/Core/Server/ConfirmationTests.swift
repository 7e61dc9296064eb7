import AdminAPI
import ControlPlaneCore
import Foundation
import Postgres
import StraitProtocol
import Testing

@Suite("Confirming that much goes")
struct ConfirmationTests {
  @Test("a rollback that says how much goes carries the count to who stands on the version before it")
  func rollback() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let good = try await ChangeStore.newestVersion(on: running.pool)
      for number in 1...3 {
        _ = try await running.services.offers.create(Sample.offer("model-\(number)"), by: .system)
      }
      let edge = try await TestEdge.enrolled(running)
      let held = try await edge.follow(running) { state, _ in state.offers.count == 4 }
      for wrong in ["2", "4", "x"] {
        await #expect(throws: Refusal.self) {
          _ = try await running.services.versions.rollBack(to: String(good), confirm: wrong, by: .system)
        }
      }
      _ = try await running.services.versions.rollBack(to: String(good), confirm: "3", by: .system)
      let next = try await edge.follow(running, holding: held) { _, parts in
        #expect(
          parts.last?.confirmedRemovals
            == .with {
              $0.since = held.version
              $0.offers = 3
            })
        return true
      }
      #expect(next.offers.count == 1)
      // Of the contract's last form, and where nobody said anything: nothing.
      _ = try await edge.follow(running, holding: held, level: .packed) { _, parts in
        #expect(parts.last?.hasConfirmedRemovals == false)
        return true
      }
    }
  }

  @Test(
    "a version that is confirmed later counts for each edge what is gone since what it runs, keys of teams too"
  )
  func later() async throws {
    try await withControlPlane { running in
      let fleet = try await running.applyFleet()
      _ = try await running.services.teams.create(TeamRequest(name: "blue", account: nil), by: .system)
      let red = try await running.keys(4, of: "red")
      _ = try await running.keys(2, of: "blue")
      let edge = try await TestEdge.enrolled(running)
      let first = try await edge.follow(running) { state, _ in state.keys.count == 6 }
      _ = try await running.services.keys.revoke(red[0], by: .system)
      let second = try await edge.follow(running, holding: first) { state, _ in state.keys.count == 5 }
      // One that no edge ever had, one more of those that they have, and a team with the other two of red.
      let brief = try await running.keys(1, of: "blue")
      _ = try await running.services.keys.revoke(brief[0], by: .system)
      _ = try await running.services.keys.revoke(red[1], by: .system)
      try await running.suspend(try #require(TeamID(fleet.team.id)))
      let gone = try await ChangeStore.newestVersion(on: running.pool)

      _ = try await edge.follow(running, holding: second) { _, parts in
        #expect(parts.last?.hasConfirmedRemovals == false)
        return true
      }
      let result = try await running.services.versions.confirm(String(gone), by: .system)
      #expect(result.version == gone + 1 && result.confirms == gone)
      for (held, keys) in [(first, UInt64(4)), (second, 3)] {
        let next = try await edge.follow(running, holding: held) { _, parts in
          #expect(
            parts.last?.confirmedRemovals
              == .with {
                $0.since = held.version
                $0.keys = keys
              })
          return true
        }
        #expect(next.version == gone + 1 && next.keys.count == 2)
      }

      // What goes after what was confirmed is not confirmed.
      _ = try await running.services.keys.revoke(red[2], by: .system)
      try await running.services.offers.removeAll(running.pool)
      let last = try await edge.follow(running, holding: second) { _, parts in
        #expect(parts.last?.confirmedRemovals.offers == 0 && parts.last?.confirmedRemovals.keys == 3)
        return true
      }
      #expect(last.offers.isEmpty)
    }
  }

  @Test(
    "an edge that refused what is gone is sent it again with the confirmation, and the operator sees what goes"
  )
  func refused() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let keys = try await running.keys(3, of: "red")
      let edge = try await AttendingEdge.join(running)
      let standing = edge.version
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

extension OfferService {
  fileprivate func removeAll(_ pool: PostgresPool) async throws {
    try await ChangeService(pool: pool).perform(by: .system) { transaction in
      let ids = try await transaction.query("DELETE FROM offers RETURNING id").map {
        try $0.get("id", as: OfferID.self)
      }
      return ((), Change("offer.remove", subject: "all", resources: ids.map { ResourceKey(.offer, $0) }))
    }
  }
}
