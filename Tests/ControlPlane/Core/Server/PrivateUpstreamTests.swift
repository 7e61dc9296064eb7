import AdminAPI
import ControlPlaneCore
import Foundation
import Postgres
import StraitProtocol
import Testing

@Suite("Private upstreams")
struct PrivateUpstreamTests {
  @Test(
    "go to edges of their own region alone, with their offers and credentials, in snapshots and in deltas")
  func story() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let (here, there) = (
        try await TestEdge.enrolled(running), try await TestEdge.enrolled(running, region: "us-east")
      )
      let before = (
        here: try await here.follow(running) { _, _ in true },
        there: try await there.follow(running) { _, _ in true }
      )
      // A change that finds them still there would wait for reports that these edges do not send.
      try await eventually { try await FleetStore.list(on: running.pool).allSatisfy { !$0.connected } }
      let answer = try await asOperator(of: running) {
        try await $0.send(
          "POST", AdminRoute.upstreams, Sample.upstream("cellar", credential: "cellar-key", isPrivate: true))
      }
      let cellar = try answer.document(UpstreamSummary.self)
      #expect(cellar.private)
      let offer = try await running.services.offers.create(
        Sample.offer("house-wine", upstream: "cellar"), by: .system)
      let newest = try await ChangeStore.newestVersion(on: running.pool)
      for (base, edge, isHome) in [
        (before.here, here, true), (before.there, there, false), (ConfigurationState(), here, true),
        (ConfigurationState(), there, false),
      ] {
        let bytes = Box()
        let known = try await edge.follow(running, holding: base) { state, parts in
          await bytes.append(try parts.map { try $0.serializedData() })
          return state.version == newest
        }
        let upstream = known.upstreams[try #require(UpstreamID(cellar.id))]
        #expect((upstream != nil) == isHome)
        #expect(upstream?.private ?? isHome == isHome)
        let offered = known.offers[try #require(OfferID(offer.id))]
        #expect((offered != nil) == isHome)
        // The control: what is not private went to both.
        #expect(known.upstreams.values.contains { $0.name == "mill" })
        let sent = await bytes.all
        #expect(sent.contains { $0.range(of: Data("cellar-key".utf8)) != nil } == isHome)
        #expect(sent.contains { $0.range(of: Data("house-wine".utf8)) != nil } == isHome)
      }
    }
  }

  @Test("take their offers along where they become private, and bring them back, in deltas")
  func moved() async throws {
    try await withControlPlane { running in
      _ = try await running.applyFleet()
      let (here, there) = (
        try await TestEdge.enrolled(running), try await TestEdge.enrolled(running, region: "us-east")
      )
      var known = (
        here: try await here.follow(running) { _, _ in true },
        there: try await there.follow(running) { _, _ in true }
      )
      for isPrivate in [true, false] {
        // A change that finds them still there would wait for reports that these edges do not send.
        try await eventually { try await FleetStore.list(on: running.pool).allSatisfy { !$0.connected } }
        _ = try await running.services.upstreams.update(
          "mill", UpstreamChangeRequest(private: isPrivate), by: .system)
        for (edge, isHome) in [(here, true), (there, false)] {
          let base = isHome ? known.here : known.there
          let next = try await edge.follow(running, holding: base) { _, parts in
            #expect(parts.map(\.fromVersion) == [base.version])
            return true
          }
          #expect(next.upstreams.count == (isHome || !isPrivate ? 1 : 0))
          #expect(next.offers.count == (isHome || !isPrivate ? 1 : 0))
          if isHome { known.here = next } else { known.there = next }
        }
      }
    }
  }

  @Test("that an edge of another region holds all the same are taken away by a delta")
  func takenAway() throws {
    let (upstream, offer) = (UpstreamID(high: 1, low: 1), OfferID(high: 2, low: 2))
    let delta = WireConfigurationUpdate.with { update in
      update.fromVersion = 4
      update.upserts = [
        .with { $0.upstream.id = Data(upstream.bytes) },
        .with {
          $0.offer.id = Data(offer.bytes)
          $0.offer.upstreamID = Data(upstream.bytes)
        },
      ]
    }
    let hidden = PrivateUpstreams([(id: upstream, region: "eu-west")])
    #expect(hidden.part(delta, asSeenFrom: "eu-west") == delta)
    let seen = hidden.part(delta, asSeenFrom: "us-east")
    #expect(seen.upserts.isEmpty)
    #expect(
      seen.removals == [
        .with { $0.upstream = Data(upstream.bytes) }, .with { $0.offer = Data(offer.bytes) },
      ])
  }
}

private actor Box {
  private(set) var all: [Data] = []
  func append(_ more: [Data]) { all += more }
}
