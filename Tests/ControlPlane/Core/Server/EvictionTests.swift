import AdminAPI
import ControlPlaneCore
import Crypto
import Foundation
import GRPCCore
import Postgres
import StraitProtocol
import Testing

@Suite("Eviction")
struct EvictionTests {
  @Test("ends the edge's stream on every replica, and refuses whatever it calls from then on")
  func story() async throws {
    try await withControlPlane { first in
      try await first.applyRegions()
      try await withControlPlane(sharing: first) { second in
        let edge = try await TestEdge.enrolled(first)
        let bystander = try await TestEdge.enrolled(first)
        let ended = await #expect(throws: RPCError.self) {
          try await edge.follow(second) { _, _ in
            let answer = try await asOperator(of: first) {
              try await $0.send("DELETE", "\(AdminRoute.edges)/\(edge.id)")
            }
            #expect(answer.status == 200)
            #expect(try answer.document(EdgeSummary.self).evictedAt != nil)
            return false
          }
        }
        #expect(ended?.isEviction == true)
        for replica in [first, second] {
          let batch = WireUsageBatch.of(epoch: 1, first: 1, [.sample()])
          let shipped = await #expect(throws: RPCError.self) { try await edge.ship(replica, batch) }
          #expect(shipped?.isEviction == true)
          let followed = await #expect(throws: RPCError.self) {
            try await edge.follow(replica) { _, _ in true }
          }
          #expect(followed?.isEviction == true)
          let renewed = await #expect(throws: RPCError.self) { try await edge.renewed(replica) }
          #expect(renewed?.isEviction == true)
          // The control: another edge of the region goes on.
          #expect(try await bystander.ship(replica, batch) == 1)
        }
        #expect(try await FleetStore.list(on: first.pool).map(\.id) == [bystander.id.description])
      }
    }
  }

  @Test("reaches a replica that did not hear of it")
  func unheard() async throws {
    try await withControlPlane { running in
      try await running.applyRegions()
      let edge = try await TestEdge.enrolled(running)
      let ended = await #expect(throws: RPCError.self) {
        try await edge.follow(running) { _, _ in
          try await running.pool.query("UPDATE edges SET evicted_at = now() WHERE id = $1", edge.id)
          return false
        }
      }
      #expect(ended?.isEviction == true)
    }
  }

  @Test("is for good: the evicted edge's key gets in with no token")
  func forGood() async throws {
    try await withControlPlane { running in
      try await running.applyRegions()
      let key = P256.Signing.PrivateKey()
      let request = try TestEdge.certificateRequest(for: key)
      let token = try await TestEdge.joinToken(running)
      let edge = try await TestEdge.enrol(running, token: token, requestDER: request, key: key)
      _ = try await running.services.edges.evict(edge.id.description, by: .system)
      for token in [token, try await TestEdge.joinToken(running)] {
        let error = await #expect(throws: RPCError.self) {
          try await TestEdge.enrol(running, token: token, requestDER: request, key: key)
        }
        #expect(error?.message.contains("evicted") == true)
      }
    }
  }

  @Test("of an edge that does not exist is not found, and of one that is out already changes nothing")
  func again() async throws {
    try await withControlPlane { running in
      try await running.applyRegions()
      let edge = try await TestEdge.enrolled(running)
      try await asOperator(of: running) { client in
        for id in ["nobody", EdgeID(high: 1, low: 2).description] {
          #expect(try await client.send("DELETE", "\(AdminRoute.edges)/\(id)").status == 404)
        }
        let first = try await client.send("DELETE", "\(AdminRoute.edges)/\(edge.id)")
        let second = try await client.send("DELETE", "\(AdminRoute.edges)/\(edge.id)")
        #expect(
          try first.document(EdgeSummary.self).evictedAt == second.document(EdgeSummary.self).evictedAt)
      }
      let entries = try await running.pool.query("SELECT FROM audit_entries WHERE action = 'edge.evict'")
      #expect(entries.count == 1)
    }
  }
}

extension RPCError {
  /// Whether it tells an edge that it is out of the fleet.
  var isEviction: Bool {
    code == .permissionDenied
      && metadata[stringValues: LinkRefusal.metadataKey].contains(LinkRefusal.evicted)
  }
}
