// Usage records with their ids resolved to names, newest first, a page at a time.

import AdminAPI
import Postgres
import StraitProtocol

package enum UsageListStore {
  /// The last record of a page, from where the next goes on.
  package struct Position: Sendable, Equatable {
    package let startedAt: Int64
    package let id: ExchangeID

    package var text: String { "\(startedAt)-\(id.description.filter { $0 != "-" })" }

    package init(startedAt: Int64, id: ExchangeID) {
      self.startedAt = startedAt
      self.id = id
    }

    package init?(text: String) {
      let parts = text.split(separator: "-")
      guard parts.count == 2, let startedAt = Int64(parts[0]), startedAt >= 0,
        let id = ExchangeID(String(parts[1]))
      else { return nil }
      self.init(startedAt: startedAt, id: id)
    }
  }

  package struct Filter: Sendable {
    package var team: TeamID?
    package var key: KeyID?
    package var request: ExchangeID?
    package var since: Moment?
    package var until: Moment?
    package var after: Position?
    package var limit = 50

    package init() {}
  }

  package static func page(_ filter: Filter, on session: some PostgresSession) async throws -> UsagePage {
    let rows = try await session.query(
      listing, filter.team, filter.key, filter.request, filter.since?.stored, filter.until?.stored,
      filter.after.map { PostgresTimestamp(microseconds: $0.startedAt) }, filter.after?.id, filter.limit + 1)
    let shown = rows.prefix(filter.limit)
    let last = rows.count > filter.limit ? shown.last : nil
    let next = try last.map { row in
      Position(
        startedAt: try row.get("started_at", as: PostgresTimestamp.self).microseconds, id: try row.get("id")
      ).text
    }
    return UsagePage(records: try shown.map(entry), next: next)
  }

  private static let listing: Statement = """
    SELECT usage.*, edges.region AS edge_region, upstreams.region AS region, upstreams.name AS upstream,
      teams.name AS team, keys.public_id AS key_public_id,
      coalesce(offers.model, (
        SELECT before ->> 'model' FROM configuration_changes
        WHERE kind = 'offer' AND resource = usage.offer_id::text AND before IS NOT NULL ORDER BY version DESC LIMIT 1
      )) AS model
    FROM (
      SELECT * FROM usage_records
      WHERE ($1::uuid IS NULL OR team_id = $1) AND ($2::uuid IS NULL OR key_id = $2) AND ($3::uuid IS NULL OR id = $3)
        AND ($4::timestamptz IS NULL OR started_at >= $4) AND ($5::timestamptz IS NULL OR started_at < $5)
        AND ($6::timestamptz IS NULL OR (started_at, id) < ($6, $7::uuid))
      ORDER BY started_at DESC, id DESC LIMIT $8
    ) AS usage
    LEFT JOIN edges ON edges.id = usage.edge_id
    LEFT JOIN upstreams ON upstreams.id = usage.upstream_id
    LEFT JOIN teams ON teams.id = usage.team_id
    LEFT JOIN keys ON keys.id = usage.key_id
    LEFT JOIN offers ON offers.id = usage.offer_id
    ORDER BY usage.started_at DESC, usage.id DESC
    """

  /// A name whose row is gone is empty, but for teams and upstreams, which are then shown by id.
  private static func entry(_ row: PostgresRow) throws -> UsageEntry {
    UsageEntry(
      requestID: try row.get("id", as: ExchangeID.self).description, startedAt: try row.time("started_at"),
      edge: try row.get("edge_id", as: EdgeID.self).description, edgeRegion: try name("edge_region", row),
      region: try name("region", row),
      team: try row.get("team", as: String?.self) ?? row.get("team_id", as: TeamID.self).description,
      keyPublicID: try name("key_public_id", row), model: try name("model", row),
      upstream: try row.get("upstream", as: String?.self)
        ?? shownID(row.get("upstream_id", as: UpstreamID.self)),
      endpoint: endpointWord(try row.get("endpoint")), dialect: dialectWord(try row.get("dialect")),
      clientProtocol: try row.get("client_protocol", as: Int64.self) == 20 ? "HTTP/2" : "HTTP/1.1",
      streamed: try row.get("streamed"), status: try row.get("status"),
      upstreamStatus: try row.get("upstream_status"),
      outcome: outcomeWord(try row.get("outcome")), usageSource: sourceWord(try row.get("usage_source")),
      inputTokens: try row.unsigned("input_tokens"),
      cachedInputTokens: try row.unsigned("cached_input_tokens"),
      cacheWriteTokens: try row.unsigned("cache_write_tokens"),
      outputTokens: try row.unsigned("output_tokens"),
      reasoningTokens: try row.unsigned("reasoning_tokens"), costNanoUSD: try row.get("cost_nano_usd"),
      durationMicroseconds: try row.unsigned("duration_microseconds"),
      firstByteMicroseconds: try row.unsigned("first_byte_microseconds"),
      requestBytes: try row.unsigned("request_bytes"), responseBytes: try row.unsigned("response_bytes"),
      attempts: try row.get("attempts"))
  }

  private static func name(_ column: String, _ row: PostgresRow) throws -> String {
    try row.get(column, as: String?.self) ?? ""
  }

  private static func shownID(_ id: UpstreamID) -> String { id == .none ? "" : id.description }

  private static func endpointWord(_ value: Int64) -> String {
    UInt8(exactly: value).flatMap(Endpoint.init(rawValue:))?.path.description ?? "unknown"
  }

  private static func dialectWord(_ value: Int64) -> String {
    UInt8(exactly: value).flatMap(Dialect.init(rawValue:))?.word ?? "unknown"
  }

  private static func outcomeWord(_ value: Int64) -> String {
    UInt8(exactly: value).flatMap(ExchangeOutcome.init(rawValue:))?.word ?? "unknown"
  }

  private static func sourceWord(_ value: Int64) -> String {
    switch UInt8(exactly: value).flatMap(UsageSource.init(rawValue:)) {
    case .provider: "provider"
    case .estimated: "estimated"
    case .some(.none): "none"
    case nil: "unknown"
    }
  }
}
