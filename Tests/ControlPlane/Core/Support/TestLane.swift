// The revocation lane as a test speaks on it, from an edge's side.

import ControlPlaneCore
import Foundation
import GRPCCore
import Postgres
import StraitControlLink
import StraitProtocol

/// An edge's side of the lane, for a test to speak with.
final class TestLane: Sendable {
  fileprivate let statuses: AsyncStream<WireRevocationStatus>
  private let outgoing: AsyncStream<WireRevocationStatus>.Continuation
  fileprivate let incoming: AsyncThrowingStream<WireRevocation, any Error>.Continuation
  private let revocations: AsyncThrowingStream<WireRevocation, any Error>
  private let lineage: [UInt8]
  private let pool: PostgresPool
  private let edge: EdgeID

  init(_ running: RunningControlPlane, edge: EdgeID) {
    (statuses, outgoing) = AsyncStream.makeStream(of: WireRevocationStatus.self)
    (revocations, incoming) = AsyncThrowingStream.makeStream(of: WireRevocation.self)
    lineage = running.controlPlane.installation.lineage.bytes
    pool = running.pool
    self.edge = edge
  }

  /// Says hello and waits until the control plane has it.
  func hello(behind number: UInt64 = 0, lineage: [UInt8]? = nil) async throws {
    try await pool.query("DELETE FROM revocation_watchers")
    outgoing.yield(
      .with {
        $0.hello.number = number
        $0.hello.lineage = Data(lineage ?? self.lineage)
      })
    try await eventually {
      try await pool.query("SELECT FROM revocation_watchers WHERE edge_id = $1", edge).count == 1
    }
  }

  func acknowledge(_ number: UInt64) {
    outgoing.yield(.with { $0.acknowledgement.number = number })
  }

  func refuse(_ number: UInt64, _ reason: String) {
    outgoing.yield(
      .with {
        $0.refusal.number = number
        $0.refusal.reason = reason
      })
  }

  func next() async throws -> WireRevocation {
    for try await revocation in revocations { return revocation }
    throw RPCError(code: .unavailable, message: "the stream ended")
  }

  fileprivate func finish() { outgoing.finish() }
}

extension TestEdge {
  /// Watches revocations while `body` speaks with the lane.
  func watch<Value: Sendable>(
    _ running: RunningControlPlane, _ body: @escaping @Sendable (TestLane) async throws -> Value
  ) async throws -> Value {
    let lane = TestLane(running, edge: id)
    return try await withLink(port: running.ports.link, security: security) { client in
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          do {
            try await WireRevocations.Client(wrapping: client).watch { writer in
              for await status in lane.statuses { try await writer.write(status) }
            } onResponse: { response in
              for try await revocation in response.messages { lane.incoming.yield(revocation) }
            }
            lane.incoming.finish()
          } catch {
            lane.incoming.finish(throwing: error)
          }
        }
        let value = try await body(lane)
        lane.finish()
        group.cancelAll()
        return value
      }
    }
  }
}
