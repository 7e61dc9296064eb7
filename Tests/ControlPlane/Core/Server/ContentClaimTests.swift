import AdminAPI
import ControlPlaneCore
import Foundation
import Postgres
import StraitProtocol
import Testing

@Suite("What edges say that they hold")
struct ContentClaimTests {
  private func row(_ edge: AttendingEdge, _ running: RunningControlPlane) async throws -> EdgeSummary? {
    try await FleetStore.list(on: running.pool).first { $0.id == edge.edge.id.description }
  }

  /// Until the edge runs the newest version and the fleet view shows that.
  private func inStep(_ edge: AttendingEdge, _ running: RunningControlPlane) async throws {
    try await eventually {
      let row = try await row(edge, running)
      return row?.version == row?.newestVersion && row?.version == edge.version
    }
  }

  /// Until something wrong with what it holds shows. Reports come while it waits, as from every edge.
  private func doubted(_ edge: AttendingEdge, _ running: RunningControlPlane) async throws {
    try await eventually {
      edge.report(ended: 0, failed: 0)
      return try await row(edge, running)?.refusal?.contains("is not what that version has") == true
    }
  }

  @Test("changes nothing where it is right, when they come and with every version")
  func right() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let edge = try await AttendingEdge.join(running, claiming: .right)
      _ = try await running.makeKey(validSeconds: 1000)
      try await inStep(edge, running)
      _ = try await running.makeKey(validSeconds: 1_000_000)
      try await inStep(edge, running)
      #expect(edge.bases.filter { $0 == 0 }.count == 1)
      await edge.leave()
      let again = try await AttendingEdge.join(
        running, as: edge.edge, holding: edge.state, claiming: .right)
      _ = try await running.makeKey()
      try await inStep(again, running)
      #expect(again.bases == [edge.version])
      #expect(try await row(again, running)?.refusal == nil)
      await again.leave()
    }
  }

  @Test("is shown where it is wrong, and answered with everything, once for each version")
  func wrong() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let edge = try await AttendingEdge.join(running, claiming: .right)
      let first = edge.version
      edge.claims(.wrong)
      _ = try await running.makeKey()
      try await doubted(edge, running)
      try await eventually { edge.bases == [0, first, 0] }
      // It takes everything and holds something else all the same.
      try await doubted(edge, running)
      edge.claims(.right)
      _ = try await running.makeKey()
      try await inStep(edge, running)
      try await eventually { try await row(edge, running)?.refusal == nil }
      #expect(edge.bases == [0, first, 0, 0])
      let healed = edge.version
      _ = try await running.makeKey()
      try await inStep(edge, running)
      #expect(edge.bases == [0, first, 0, 0, healed])
      await edge.leave()
    }
  }

  @Test("is judged when an edge comes back with the newest version, by whatever replica counts first")
  func returning() async throws {
    try await withControlPlane { first in
      _ = try await first.applyFleet()
      let edge = try await AttendingEdge.join(first, claiming: .right)
      try await inStep(edge, first)
      await edge.leave()
      // Somebody changed the database behind the control plane's back: no version tells of it.
      try await first.pool.query("UPDATE offers SET weight = weight + 1")
      try await withControlPlane(sharing: first) { second in
        let again = try await AttendingEdge.join(
          second, as: edge.edge, holding: edge.state, claiming: .right)
        try await eventually {
          again.report(ended: 0, failed: 0)
          return again.bases == [0]
        }
        #expect(again.state.offers.values.map(\.weight) != edge.state.offers.values.map(\.weight))
        try await eventually { try await row(again, second)?.refusal == nil }
        await again.leave()
      }
    }
  }
}
