// Offers and what they cost since when.

import AdminAPI
import Postgres
import StraitProtocol

package enum OfferStore {
  /// - Throws: a unique violation where the upstream already offers the model in that dialect
  package static func insert(
    _ id: OfferID, _ offer: OfferSpecification, upstream: UpstreamID, on session: some PostgresSession
  ) async throws {
    try await session.query(
      """
      INSERT INTO offers (id, upstream_id, model, upstream_model, dialect, weight) VALUES ($1, $2, $3, $4, $5, $6)
      """,
      id, upstream, offer.model.text, offer.upstreamModel.text, Int32(offer.dialect.rawValue), offer.weight)
    try await appendPrices(offer.prices, of: id, on: session)
  }

  /// What the offer costs from now on. Later than every price before, whatever the clock says.
  private static func appendPrices(
    _ prices: TokenPrices, of id: OfferID, on session: some PostgresSession
  ) async throws {
    try await session.query(
      """
      INSERT INTO offer_prices
        (offer_id, valid_from, input_price, cached_input_price, cache_write_price, output_price)
      SELECT $1, greatest(now(), max(valid_from) + interval '1 microsecond'), $2, $3, $4, $5
      FROM offer_prices WHERE offer_id = $1
      """, id, prices.input, prices.cachedInput, prices.cacheWrite, prices.output)
  }

  /// The offer of that id, or those of that model.
  package static func named(_ idOrModel: String, on session: some PostgresSession) async throws -> [OfferID] {
    try await session.query("SELECT id FROM offers WHERE id::text = lower($1) OR model = $1", idOrModel)
      .map { try $0.get("id") }
  }

  /// - Returns: whether edges have to learn of it
  package static func update(
    _ id: OfferID, _ offer: OfferSpecification, on session: PostgresTransaction
  ) async throws -> Bool {
    try await session.execute(
      """
      UPDATE offers SET upstream_model = $2, weight = $3
      WHERE id = $1 AND (upstream_model, weight) IS DISTINCT FROM ($2, $3)
      """, id, offer.upstreamModel.text, offer.weight) == 1
  }

  /// - Returns: whether it costs something else from now on
  package static func updatePrices(
    _ prices: TokenPrices, of id: OfferID, on session: PostgresTransaction
  ) async throws -> Bool {
    // Two changes at once come one after the other.
    try await session.query("SELECT FROM offers WHERE id = $1 FOR UPDATE", id)
    guard try await self.prices(of: [id], on: session)[id]?.newest != prices else { return false }
    try await appendPrices(prices, of: id, on: session)
    return true
  }

  /// Its prices stay: records that come late are still charged.
  /// - Returns: how many offers are left; nothing where it was gone already
  package static func remove(_ id: OfferID, on session: PostgresTransaction) async throws -> Int64? {
    guard try await session.execute("DELETE FROM offers WHERE id = $1", id) == 1 else { return nil }
    return try await session.query("SELECT count(*) AS left FROM offers").single().get("left")
  }

  package static func list(on session: some PostgresSession) async throws -> [OfferSummary] {
    try await session.query(
      """
      SELECT offers.id, model, upstreams.name AS upstream, region, upstream_model, dialect, weight,
        input_price, cached_input_price, cache_write_price, output_price
      FROM offers JOIN upstreams ON upstreams.id = offers.upstream_id
      CROSS JOIN LATERAL (
        SELECT * FROM offer_prices WHERE offer_id = offers.id AND valid_from <= now()
        ORDER BY valid_from DESC LIMIT 1
      ) AS price
      ORDER BY model, weight DESC, upstreams.name
      """
    ).map(summary)
  }

  package static func find(_ id: OfferID, on session: some PostgresSession) async throws -> OfferSummary? {
    try await session.query(
      """
      SELECT offers.id, model, upstreams.name AS upstream, region, upstream_model, dialect, weight,
        input_price, cached_input_price, cache_write_price, output_price
      FROM offers JOIN upstreams ON upstreams.id = offers.upstream_id
      CROSS JOIN LATERAL (
        SELECT * FROM offer_prices WHERE offer_id = offers.id AND valid_from <= now()
        ORDER BY valid_from DESC LIMIT 1
      ) AS price
      WHERE offers.id = $1
      """, id
    ).first.map(summary)
  }

  /// All prices that the offers ever had, earliest first.
  package static func prices(
    of offers: [OfferID], on session: some PostgresSession
  ) async throws -> [OfferID: PriceHistory] {
    let rows = try await session.query(
      """
      SELECT offer_id, valid_from, input_price, cached_input_price, cache_write_price, output_price
      FROM offer_prices WHERE offer_id = ANY ($1) ORDER BY offer_id, valid_from
      """, offers)
    var histories: [OfferID: PriceHistory] = [:]
    for row in rows {
      let price = TokenPrices(
        input: try row.get("input_price"), cachedInput: try row.get("cached_input_price"),
        cacheWrite: try row.get("cache_write_price"), output: try row.get("output_price"))
      let validFrom = Moment(microseconds: try row.get("valid_from", as: PostgresTimestamp.self).microseconds)
      histories[try row.get("offer_id"), default: PriceHistory()].append(price, validFrom: validFrom)
    }
    return histories
  }

  private static func summary(_ row: PostgresRow) throws -> OfferSummary {
    let dialect = UInt8(exactly: try row.get("dialect", as: Int64.self)).flatMap(Dialect.init(rawValue:))
    return OfferSummary(
      id: try row.get("id", as: OfferID.self).description, model: try row.get("model"),
      upstream: try row.get("upstream"), region: try row.get("region"),
      upstreamModel: try row.get("upstream_model"),
      dialect: dialect?.word ?? "unknown", weight: try row.get("weight"),
      inputPrice: try row.get("input_price"),
      cachedInputPrice: try row.get("cached_input_price"), cacheWritePrice: try row.get("cache_write_price"),
      outputPrice: try row.get("output_price"))
  }
}
