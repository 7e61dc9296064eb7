import AdminAPI
import Foundation
import Testing

@Suite("The admin API's JSON")
struct AdminJSONTests {
  @Test("has snake case on the wire, acronyms included")
  func names() throws {
    let upstream = UpstreamRequest(
      name: "a", region: "b", url: "c", httpVersion: "http1", credentialStyle: "none", credential: "d",
      caPEM: "e")
    #expect(
      try keys(of: upstream) == [
        "ca_pem", "credential", "credential_style", "http_version", "name", "region", "url",
      ])
    #expect(
      try keys(of: entry).isSuperset(of: ["request_id", "cost_nano_usd", "key_public_id", "edge_region"]))
    #expect(AdminJSON.propertyName(of: "cost_nano_usd") == "costNanoUSD")
    #expect(AdminJSON.propertyName(of: "base_url") == "baseURL")
    #expect(AdminJSON.propertyName(of: "ca_pem") == "caPEM")
    #expect(AdminJSON.propertyName(of: "id") == "id")
  }

  @Test("leaves out what is absent, and reads absent as nil")
  func absent() throws {
    let request = TeamRequest(name: "a", account: nil)
    #expect(try keys(of: request) == ["name"])
    #expect(try AdminJSON.decode(TeamRequest.self, from: Data(#"{"name":"a"}"#.utf8)).account == nil)
  }

  @Test("gives every document back as it was")
  func roundTrip() throws {
    try same(RegionDocument(name: "a", title: "b", jurisdiction: "c", country: "d"))
    try same(RegionApplyResult(created: ["a"], changed: [], unchanged: ["b"]))
    try same(
      EdgeSummary(
        id: "a", region: "b", baseURL: "c", softwareVersion: "d", connected: true, enrolledAt: "e",
        lastSeenAt: nil,
        version: .max, newestVersion: 2, refusal: "f", spooledRecords: 3, lostRecords: 4,
        certificateExpiresAt: "g"))
    try same(JoinToken(token: "a", region: "b", expiresAt: "c"))
    try same(
      UpstreamSummary(
        id: "a", name: "b", region: "c", url: "d", httpVersion: "e", credentialStyle: "f", createdAt: "g"))
    try same(
      OfferRequest(
        model: "a", upstream: "b", upstreamModel: nil, dialect: "c", weight: 1, inputPrice: 2,
        outputPrice: .max,
        cachedInputPrice: nil, cacheWritePrice: 4))
    try same(
      OfferSummary(
        id: "a", model: "b", upstream: "c", region: "d", upstreamModel: "e", dialect: "f", weight: 1,
        inputPrice: 2,
        cachedInputPrice: 3, cacheWritePrice: 4, outputPrice: 5))
    let key = KeySummary(
      id: "a", publicID: "b", team: "c", name: "d", createdAt: "e", expiresAt: nil, revokedAt: "f")
    try same(NewKey(key: "a", summary: key))
    try same(UsagePage(records: [entry], next: "a"))
    try same(
      ControlPlaneStatus(
        softwareVersion: "a", configurationVersion: 1, databaseVersion: "b", regions: 2, edgesEnrolled: 3,
        edgesConnected: 4, offers: 5, keys: 6))
    try same(AdminErrorBody(error: .init(code: "a", message: "b", hint: nil)))
  }

  /// What was decoded encodes to the same bytes, so no property was lost or renamed on the way.
  private func same<Document: Codable>(_ document: Document) throws {
    let bytes = try AdminJSON.encode(document, pretty: true)
    let again = try AdminJSON.encode(try AdminJSON.decode(Document.self, from: bytes), pretty: true)
    #expect(String(decoding: bytes, as: UTF8.self) == String(decoding: again, as: UTF8.self))
  }

  private func keys(of document: some Encodable) throws -> Set<String> {
    let object = try JSONSerialization.jsonObject(with: try AdminJSON.encode(document))
    return Set(try #require(object as? [String: Any]).keys)
  }

  private let entry = UsageEntry(
    requestID: "a", startedAt: "b", edge: "c", edgeRegion: "d", region: "e", team: "f", keyPublicID: "g",
    model: "h",
    upstream: "i", endpoint: "j", dialect: "k", clientProtocol: "l", streamed: true, status: 200,
    upstreamStatus: 201, outcome: "m", usageSource: "n", inputTokens: .max, cachedInputTokens: 1,
    cacheWriteTokens: 2, outputTokens: 3, reasoningTokens: 4, costNanoUSD: .min, durationMicroseconds: 5,
    firstByteMicroseconds: 6, requestBytes: 7, responseBytes: 8, attempts: 9)
}
