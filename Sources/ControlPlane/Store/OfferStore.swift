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
    try await session.query(
      """
      INSERT INTO offer_prices
        (offer_id, valid_from, input_price, cached_input_price, cache_write_price, output_price)
      VALUES ($1, now(), $2, $3, $4, $5)
      """,
      id, offer.prices.input, offer.prices.cachedInput, offer.prices.cacheWrite, offer.prices.output)
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
