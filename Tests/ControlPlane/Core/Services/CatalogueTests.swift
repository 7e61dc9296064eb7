import AdminAPI
import ControlPlaneCore
import Foundation
import Postgres
import StraitProtocol
import Testing

@Suite("Changing upstreams and offers")
struct CatalogueTests {
  @Test("another credential reaches edges as a version, and what is so already makes none")
  func credential() async throws {
    try await withControlPlane { running in
      try await running.applyRegions()
      let upstreams = running.services.upstreams
      let made = try await upstreams.create(Sample.upstream(credential: "sk-old"), by: .system)
      let edge = try await AttendingEdge.join(running)
      let before = try await ChangeStore.newestVersion(on: running.pool)
      let changed = try await upstreams.update(
        "mill", UpstreamChangeRequest(credential: "sk-new"), by: .system)
      #expect(changed.credentialStyle == "bearer" && changed.url == made.url)
      try await eventually { edge.state.upstreams.values.first?.credential == "sk-new".utf8Data }
      let entry = try await running.services.versions.list(before: nil, limit: "1").first
      #expect(entry?.version == before + 1 && entry?.action == "upstream.update" && entry?.subject == "mill")

      _ = try await upstreams.update(
        made.id, UpstreamChangeRequest(url: made.url, private: false), by: .system)
      #expect(try await ChangeStore.newestVersion(on: running.pool) == before + 1)
      // The path may change without the credential, which stays.
      _ = try await upstreams.update(
        "mill", UpstreamChangeRequest(url: made.url + "/deep", httpVersion: "http2"), by: .system)
      try await eventually { edge.state.upstreams.values.first?.pathPrefix == "/deep" }
      #expect(edge.state.upstreams.values.first?.credential == "sk-new".utf8Data)
      _ = try await upstreams.update(
        "mill", UpstreamChangeRequest(credentialStyle: "none", private: true), by: .system)
      try await eventually { edge.state.upstreams.values.first?.credential.isEmpty == true }
      #expect(try await upstreams.list().map(\.private) == [true])
      await edge.leave()
    }
  }

  @Test("a credential does not follow to another origin by itself")
  func origin() async throws {
    try await withControlPlane { running in
      try await running.applyRegions()
      let upstreams = running.services.upstreams
      _ = try await upstreams.create(Sample.upstream(credential: "sk-old"), by: .system)
      let elsewhere = "http://127.0.0.1:10"
      let refusal = await #expect(throws: Refusal.self) {
        try await upstreams.update("mill", UpstreamChangeRequest(url: elsewhere), by: .system)
      }
      #expect(refusal?.message.contains("another origin") == true)
      for (request, words) in [
        (UpstreamChangeRequest(), "nothing is to be changed"),
        (UpstreamChangeRequest(httpVersion: "negotiated"), "needs TLS"),
        (UpstreamChangeRequest(credentialStyle: "none", credential: "sk-new"), "credential_style none"),
        (UpstreamChangeRequest(caPEM: "x"), "no use with an http:// URL"),
      ] {
        let refusal = await #expect(throws: Refusal.self) {
          try await upstreams.update("mill", request, by: .system)
        }
        #expect(refusal?.message.contains(words) == true)
      }
      let moved = try await upstreams.update(
        "mill", UpstreamChangeRequest(url: elsewhere, credential: "sk-new"), by: .system)
      #expect(moved.url == elsewhere)
      _ = try await upstreams.create(Sample.upstream("open"), by: .system)
      let open = try await upstreams.update("open", UpstreamChangeRequest(url: elsewhere), by: .system)
      #expect(open.url == elsewhere && open.credentialStyle == "none")
    }
  }

  @Test("a new price counts from now on, and edges hear nothing of it")
  func prices() async throws {
    try await withControlPlane { running in
      let offer = try await running.applyFleet().offer
      let id = try #require(OfferID(offer.id))
      let before = try await ChangeStore.newestVersion(on: running.pool)
      let then = Moment.now
      let changed = try await running.services.offers.update(
        "gemma", OfferChangeRequest(inputPrice: 2_000_000), by: .system)
      #expect(changed.inputPrice == 2_000_000 && changed.outputPrice == 10_000_000)
      #expect(changed.cachedInputPrice == 1_250_000)
      #expect(try await ChangeStore.newestVersion(on: running.pool) == before)
      let history = try #require(try await OfferStore.prices(of: [id], on: running.pool)[id])
      #expect(history.prices(at: then)?.input == 1_250_000)
      #expect(history.prices(at: then.adding(seconds: 60))?.input == 2_000_000)
      // What it costs already makes no entry.
      let entries = "SELECT count(*) AS count FROM audit_entries WHERE action = 'offer.update'" as Statement
      _ = try await running.services.offers.update(
        "gemma", OfferChangeRequest(inputPrice: 2_000_000), by: .system)
      #expect(try await running.pool.query(entries).single().get("count", as: Int64.self) == 1)
      // A clock that was set back puts no price before the last one.
      try await running.pool.query(
        "UPDATE offer_prices SET valid_from = valid_from + interval '1 day' WHERE input_price = 2000000")
      _ = try await running.services.offers.update(
        "gemma", OfferChangeRequest(outputPrice: 1), by: .system)
      #expect(try await OfferStore.prices(of: [id], on: running.pool)[id]?.newest?.output == 1)
    }
  }

  @Test("an offer is removed, even the last one, and what was used of it keeps its name and cost")
  func removal() async throws {
    try await withControlPlane { running in
      let fleet = try await running.applyFleet()
      let offers = running.services.offers
      var other = Sample.upstream("other")
      other.region = "us-east"
      _ = try await running.services.upstreams.create(other, by: .system)
      let second = try await offers.create(Sample.offer(upstream: "other"), by: .system)
      let edge = try await AttendingEdge.join(running)
      let ambiguous = await #expect(throws: Refusal.self) { try await offers.remove("gemma", by: .system) }
      #expect(ambiguous?.message.contains("2 offers") == true)
      _ = try await offers.remove(second.id, by: .system)
      try await eventually { edge.state.offers.count == 1 }
      let last = try await offers.remove("gemma", by: .system)
      #expect(last.id == fleet.offer.id)
      try await eventually { edge.state.offers.isEmpty }
      let newest = try await ChangeStore.newestVersion(on: running.pool)
      // Edges are told that nobody doubts this one, and of the other they are not.
      #expect(
        try await ConfirmationStore.confirmed(after: newest - 1, through: newest, on: running.pool) == newest)
      #expect(
        try await ConfirmationStore.confirmed(after: newest - 2, through: newest - 1, on: running.pool) == nil
      )
      let id = try #require(OfferID(last.id))
      #expect(try await OfferStore.prices(of: [id], on: running.pool)[id]?.newest?.input == 1_250_000)
      await #expect(throws: Refusal.self) { try await offers.remove(last.id, by: .system) }
      // The way back.
      _ = try await running.services.versions.rollBack(to: String(newest - 1), by: .system)
      #expect(try await offers.list().map(\.inputPrice) == [1_250_000])
      await edge.leave()
    }
  }
}

extension String {
  fileprivate var utf8Data: Data { Data(utf8) }
}
