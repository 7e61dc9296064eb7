// Values that the tests start from.

import AdminAPI
import ControlPlaneCore
import Foundation
import StraitProtocol

extension WireUsageRecord {
  /// A completed exchange of 1,000 input and 500 output tokens.
  static func sample(
    startedAt: Moment = .now, id: ExchangeID = newIdentifier(), team: TeamID = .none, key: KeyID = .none,
    offer: OfferID = .none, upstream: UpstreamID = .none
  ) -> WireUsageRecord {
    .with {
      $0.id = Data(id.bytes)
      $0.teamID = Data(team.bytes)
      $0.keyID = Data(key.bytes)
      $0.offerID = Data(offer.bytes)
      $0.upstreamID = Data(upstream.bytes)
      $0.startedAt = startedAt.microseconds
      $0.durationMicroseconds = 1_500_000
      $0.firstByteMicroseconds = 200_000
      $0.endpoint = UInt32(Endpoint.chatCompletions.rawValue)
      $0.clientProtocol = UInt32(ClientProtocol.http2.rawValue)
      $0.streamed = true
      $0.status = 200
      $0.upstreamStatus = 200
      $0.outcome = UInt32(ExchangeOutcome.completed.rawValue)
      $0.usageSource = .provider
      $0.inputTokens = 1000
      $0.outputTokens = 500
      $0.requestBytes = 900
      $0.responseBytes = 4000
      $0.attempts = 1
      $0.dialect = UInt32(Dialect.openAI.rawValue)
    }
  }
}

extension WireUsageBatch {
  static func of(epoch: UInt64, first: UInt64, _ records: [WireUsageRecord]) -> WireUsageBatch {
    .with {
      $0.epoch = epoch
      $0.firstSequence = first
      $0.records = records
    }
  }
}

enum Sample {
  static let regions = [
    RegionDocument(name: "us-east", title: "US East", jurisdiction: "US", country: "US"),
    RegionDocument(name: "eu-west", title: "EU West", jurisdiction: "EEA", country: "IE"),
  ]

  static func upstream(
    _ name: String = "mill", credential: String? = nil, isPrivate: Bool? = nil, network: String? = "private"
  ) -> UpstreamRequest {
    UpstreamRequest(
      name: name, region: "eu-west", url: "http://127.0.0.1:9", httpVersion: nil, credentialStyle: nil,
      credential: credential, caPEM: nil, private: isPrivate, network: network)
  }

  /// 1.25 USD per million input tokens, 10 USD per million output tokens.
  static func offer(_ model: String = "gemma", upstream: String = "mill") -> OfferRequest {
    OfferRequest(
      model: model, upstream: upstream, upstreamModel: nil, dialect: "openai", weight: nil,
      inputPrice: 1_250_000,
      outputPrice: 10_000_000, cachedInputPrice: nil, cacheWritePrice: nil)
  }
}

extension RunningControlPlane {
  var services: AdminServices { AdminServices(pool: pool, installation: controlPlane.installation) }

  func applyRegions() async throws {
    _ = try await services.regions.apply(Sample.regions, by: .system)
  }

  /// The regions, an upstream, an offer and a team.
  func applyFleet() async throws -> (upstream: UpstreamSummary, offer: OfferSummary, team: TeamSummary) {
    try await applyRegions()
    let upstream = try await services.upstreams.create(Sample.upstream(), by: .system)
    let offer = try await services.offers.create(Sample.offer(), by: .system)
    let team = try await services.teams.create(TeamRequest(name: "red", account: nil), by: .system)
    return (upstream, offer, team)
  }

  func makeKey(team: String = "red", validSeconds: Int? = nil) async throws -> NewKey {
    try await services.keys.create(KeyRequest(team: team, name: nil, validSeconds: validSeconds), by: .system)
  }
}
