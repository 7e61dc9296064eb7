import AdminAPI
import ControlPlaneCore
import Foundation
import Testing

@Suite("The admin API")
struct AdminAPITests {
  @Test("an operator sets a fleet up and reads it back")
  func story() async throws {
    try await withControlPlane { running in
      try await asOperator(of: running) { client in
        let applied = try await client.send("PUT", AdminRoute.regions, Sample.regions).document(
          RegionApplyResult.self)
        #expect(applied.created == ["eu-west", "us-east"])
        let again = try await client.send("PUT", AdminRoute.regions, Sample.regions).document(
          RegionApplyResult.self)
        #expect(again.unchanged == ["eu-west", "us-east"] && again.created.isEmpty && again.changed.isEmpty)
        var changed = Sample.regions
        changed[0].title = "Virginia"
        let third = try await client.send("PUT", AdminRoute.regions, changed).document(RegionApplyResult.self)
        #expect(third.changed == ["us-east"] && third.unchanged == ["eu-west"])
        #expect(
          try await client.send("GET", AdminRoute.regions).document([RegionDocument].self).map(\.title)
            == ["EU West", "Virginia"])

        let upstream = try await client.send(
          "POST", AdminRoute.upstreams, Sample.upstream(credential: "sk-secret"))
        #expect(upstream.status == 201)
        #expect(try upstream.document(UpstreamSummary.self).credentialStyle == "bearer")
        let offer = try await client.send("POST", AdminRoute.offers, Sample.offer()).document(
          OfferSummary.self)
        #expect(offer.cachedInputPrice == 1_250_000 && offer.region == "eu-west")
        let team = try await client.send("POST", AdminRoute.teams, TeamRequest(name: "red", account: nil))
        #expect(try team.document(TeamSummary.self).account == "default")
        let request = KeyRequest(team: "red", name: "laptop", validSeconds: nil)
        let key = try await client.send("POST", AdminRoute.keys, request).document(NewKey.self)
        #expect(key.key.hasPrefix("sk-strait-\(key.summary.publicID)-"))
        #expect(
          try await client.send("GET", AdminRoute.keys + "?team=red").document([KeySummary].self).map(
            \.publicID)
            == [key.summary.publicID])

        let revoked = try await client.send("DELETE", AdminRoute.keys + "/" + key.summary.publicID)
        let first = try #require(try revoked.document(KeySummary.self).revokedAt)
        let twice = try await client.send("DELETE", AdminRoute.keys + "/" + key.summary.id)
        #expect(try twice.document(KeySummary.self).revokedAt == first)
        let status = try await client.send("GET", AdminRoute.status).document(ControlPlaneStatus.self)
        #expect(status.regions == 2 && status.offers == 1 && status.keys == 0)
        // The empty configuration is version 1; two applications, an upstream, an offer, a team, a key, a revocation.
        #expect(status.configurationVersion == 8)
      }
    }
  }

  @Test("without a good token nothing but health is answered")
  func tokens() async throws {
    try await withControlPlane { running in
      for token in [
        nil, "", "sto-" + String(repeating: "A", count: 43), "stj-x", try running.operatorToken() + "A",
      ] {
        try await asOperator(of: running, token: .some(token)) { client in
          let answer = try await client.send("GET", AdminRoute.status)
          #expect(answer.status == 401)
          #expect(answer.error?.code == "unauthorized")
          #expect(answer.error?.hint?.contains("operator-token") == true)
          #expect(try await client.send("GET", AdminRoute.health).status == 200)
          #expect(try await client.send("GET", AdminRoute.readiness).status == 200)
        }
      }
    }
  }

  @Test("bad requests are answered with what is wrong and what to do")
  func refusals() async throws {
    try await withControlPlane { running in
      try await asOperator(of: running) { client in
        _ = try await client.send("PUT", AdminRoute.regions, Sample.regions)
        func refused(
          _ method: String, _ path: String, _ body: String, _ status: Int, _ words: String,
          _ location: SourceLocation = #_sourceLocation
        ) async throws {
          let answer = try await client.send(method, path, raw: Data(body.utf8))
          #expect(answer.status == status, sourceLocation: location)
          let message = answer.error.map { "\($0.message) \($0.hint ?? "")" } ?? ""
          #expect(message.contains(words), "\(message)", sourceLocation: location)
        }
        try await refused("POST", AdminRoute.teams, "{", 400, "JSON")
        try await refused("POST", AdminRoute.teams, #"{"nmae": "red"}"#, 400, "nmae")
        try await refused("POST", AdminRoute.teams, #"{}"#, 400, "name is missing")
        try await refused("POST", AdminRoute.teams, #"{"name": 7}"#, 400, "name has the wrong type")
        try await refused("POST", AdminRoute.teams, #"{"name": "Red"}"#, 400, "lower-case")
        try await refused("POST", AdminRoute.keys, #"{"team": "none"}"#, 404, "strait team create")
        try await refused(
          "POST", AdminRoute.keys, #"{"team": "x", "valid_seconds": 0}"#, 400, "valid_seconds")
        try await refused("DELETE", AdminRoute.keys + "/nothing", "", 404, "public id")
        try await refused("POST", AdminRoute.joinTokens, #"{"region": "mars"}"#, 404, "strait region")
        try await refused("GET", AdminRoute.usage + "?limit=0", "", 400, "limit")
        try await refused("GET", AdminRoute.usage + "?since=yesterday", "", 400, "since")
        try await refused("GET", AdminRoute.usage + "?colour=red", "", 400, "colour")
        try await refused("GET", "/admin/v1/nothing", "", 404, "no such path")
        try await refused("PUT", AdminRoute.regions, "[]", 400, "0 regions")
        let upstream = #"{"name": "a", "region": "mars", "url": "http://mill.test"}"#
        try await refused("POST", AdminRoute.upstreams, upstream, 404, "mars")
        let withPath = #"{"name": "a", "region": "eu-west", "url": "https://a.test/v1"}"#
        try await refused("POST", AdminRoute.upstreams, withPath, 400, "leave /v1 off")
        let offer =
          #"{"model": "m", "upstream": "x", "dialect": "openai", "input_price": 1, "output_price": -1}"#
        try await refused("POST", AdminRoute.offers, offer, 400, "output_price")
        try await refused(
          "PUT", AdminRoute.upstreams + "/none", #"{"private": true}"#, 404, "strait upstream")
        try await refused("PUT", AdminRoute.offers + "/none", #"{"weight": 1}"#, 404, "strait offer list")
        try await refused("PUT", AdminRoute.offers + "/none", "{}", 400, "nothing is to be changed")
        try await refused("DELETE", AdminRoute.offers + "/none", "", 404, "strait offer list")
        try await refused("POST", AdminRoute.teams, String(repeating: " ", count: 1 << 20 | 1), 413, "larger")
      }
    }
  }

  @Test("what exists already is a conflict, and the first stays")
  func conflicts() async throws {
    try await withControlPlane { running in
      try await asOperator(of: running) { client in
        _ = try await client.send("PUT", AdminRoute.regions, Sample.regions)
        for (path, body) in [
          (AdminRoute.upstreams, try AdminJSON.encode(Sample.upstream())),
          (AdminRoute.offers, try AdminJSON.encode(Sample.offer())),
          (AdminRoute.teams, try AdminJSON.encode(TeamRequest(name: "red", account: nil))),
        ] {
          #expect(try await client.send("POST", path, raw: body).status == 201)
          let second = try await client.send("POST", path, raw: body)
          #expect(second.status == 409)
          #expect(second.error?.code == "conflict" && second.error?.hint != nil)
        }
      }
    }
  }

  @Test("every request document knows the keys that it is written with")
  func keys() throws {
    func keys(_ value: some Encodable) throws -> Set<String> {
      let object = try JSONSerialization.jsonObject(with: try AdminJSON.encode(value)) as? [String: Any]
      return Set(object?.keys.map { $0 } ?? [])
    }
    let upstream = UpstreamRequest(
      name: "", region: "", url: "", httpVersion: "", credentialStyle: "", credential: "", caPEM: "",
      private: true, network: "")
    #expect(try keys(upstream) == UpstreamRequest.keys)
    let offer = OfferRequest(
      model: "", upstream: "", upstreamModel: "", dialect: "", weight: 1, inputPrice: 1, outputPrice: 1,
      cachedInputPrice: 1, cacheWritePrice: 1)
    #expect(try keys(offer) == OfferRequest.keys)
    let change = UpstreamChangeRequest(
      url: "", httpVersion: "", credentialStyle: "", credential: "", caPEM: "", private: true, network: "")
    #expect(try keys(change) == UpstreamChangeRequest.keys)
    let offered = OfferChangeRequest(
      upstreamModel: "", weight: 1, inputPrice: 1, outputPrice: 1, cachedInputPrice: 1, cacheWritePrice: 1)
    #expect(try keys(offered) == OfferChangeRequest.keys)
    #expect(try keys(KeyRequest(team: "", name: "", validSeconds: 1)) == KeyRequest.keys)
    #expect(try keys(TeamRequest(name: "", account: "", stalenessLimitSeconds: 1)) == TeamRequest.keys)
    #expect(try keys(TeamChangeRequest(stalenessLimitSeconds: 1)) == TeamChangeRequest.keys)
    #expect(try keys(JoinTokenRequest(region: "", validSeconds: 1)) == JoinTokenRequest.keys)
    #expect(try keys(Sample.regions[0]) == RegionDocument.keys)
  }
}
