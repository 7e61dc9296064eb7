import AdminAPI
import ControlPlaneCore
import Foundation
import Postgres
import StraitProtocol
import Testing

@Suite("Upstreams' networks")
struct UpstreamNetworkTests {
  @Test(
    "are public where nobody says otherwise, private for those from before, and told to edges that understand"
  )
  func story() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let far = UpstreamRequest(
        name: "far", region: "eu-west", url: "https://far.test", httpVersion: nil, credentialStyle: nil,
        credential: nil, caPEM: nil)
      let answer = try await asOperator(of: running) { try await $0.send("POST", AdminRoute.upstreams, far) }
      #expect(try answer.document(UpstreamSummary.self).network == "public")
      // As it was before there was a choice.
      try await running.pool.query("UPDATE upstreams SET network = NULL WHERE name = 'mill'")
      let listed = try await running.services.upstreams.list()
      #expect(
        Dictionary(uniqueKeysWithValues: listed.map { ($0.name, $0.network) }) == [
          "far": "public", "mill": "private",
        ])
      for level in [ContractLevel.hashed, .networked] {
        let edge = try await TestEdge.enrolled(running)
        let state = try await edge.follow(running, level: level) { _, parts in
          // Who does not know the field holds something else than what is counted.
          #expect((parts.last?.contentHash.isEmpty == true) == (level == .hashed))
          return true
        }
        let networks = Dictionary(
          uniqueKeysWithValues: state.upstreams.values.map { ($0.name, $0.publicNetwork) })
        #expect(networks == ["far": level == .networked, "mill": false])
      }
    }
  }

  @Test("refuse an address in the URL that no edge would connect to, and words that are none")
  func refusals() async throws {
    try await withControlPlane { running in
      try await running.applyRegions()
      for (request, words) in [
        (Sample.upstream(network: nil), "--network private"),
        (Sample.upstream(network: "public"), "--network private"),
        (Sample.upstream(network: "anywhere"), "public or private"),
      ] {
        let refusal = await #expect(throws: Refusal.self) {
          try await running.services.upstreams.create(request, by: .system)
        }
        #expect(refusal?.hint?.contains(words) == true)
      }
    }
  }

  @Test("can be changed, and an address in the URL is held to the network that stands")
  func change() async throws {
    try await withControlPlane { running in
      try await running.applyRegions()
      let upstreams = running.services.upstreams
      _ = try await upstreams.create(Sample.upstream(), by: .system)
      let named = UpstreamChangeRequest(url: "https://mill.test", network: "public")
      #expect(try await upstreams.update("mill", named, by: .system).network == "public")
      let refusal = await #expect(throws: Refusal.self) {
        try await upstreams.update("mill", UpstreamChangeRequest(url: "https://10.0.0.1"), by: .system)
      }
      #expect(refusal?.hint?.contains("--network private") == true)
      let inside = UpstreamChangeRequest(url: "https://10.0.0.1", network: "private")
      #expect(try await upstreams.update("mill", inside, by: .system).network == "private")
    }
  }
}
