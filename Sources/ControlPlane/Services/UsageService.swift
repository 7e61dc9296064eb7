// Usage as operators read it.

import AdminAPI
import Postgres
import StraitProtocol

package struct UsageService: Sendable {
  let pool: PostgresPool

  package static let defaultLimit = 50
  package static let maximumLimit = 1000

  package init(pool: PostgresPool) {
    self.pool = pool
  }

  /// What was asked for, as text from the query.
  package struct Query: Sendable {
    package var team: String?
    package var key: String?
    package var request: String?
    package var since: String?
    package var until: String?
    package var limit: String?
    package var after: String?

    package init() {}
  }

  package func list(_ query: Query) async throws -> UsagePage {
    var filter = UsageListStore.Filter()
    filter.limit = try Self.limit(query.limit)
    filter.since = try Self.moment(query.since, "since")
    filter.until = try Self.moment(query.until, "until")
    if let after = query.after { filter.after = try Self.position(after) }
    if let request = query.request {
      guard let id = ExchangeID(request) else {
        throw Refusal.invalid(
          "\(quoted(request)) is not a request id", hint: "give the x-request-id that the client was answered"
        )
      }
      filter.request = id
    }
    if let team = query.team { filter.team = try await TeamService.resolve(team, on: pool) }
    if let key = query.key {
      let named = try await KeyStore.withPublicID(key, on: pool)
      guard let id = named ?? KeyID(key) else {
        throw Refusal(
          .notFound, "there is no such key", hint: "give a key's id or its public id; see `strait key list`")
      }
      filter.key = id
    }
    return try await UsageListStore.page(filter, on: pool)
  }

  private static func limit(_ text: String?) throws(Refusal) -> Int {
    guard let text else { return defaultLimit }
    guard let limit = Int(text), (1...maximumLimit).contains(limit) else {
      throw .invalid("limit is \(quoted(text))", hint: "use a number from 1 to \(maximumLimit)")
    }
    return limit
  }

  private static func moment(_ text: String?, _ name: String) throws(Refusal) -> Moment? {
    guard let text else { return nil }
    guard let moment = Moment(rfc3339: text) else {
      throw .invalid("\(name) is \(quoted(text))", hint: "write the time as 2026-11-21T08:53:00Z")
    }
    return moment
  }

  private static func position(_ text: String) throws(Refusal) -> UsageListStore.Position {
    guard let position = UsageListStore.Position(text: text) else {
      throw .invalid(
        "after is not a position in a list", hint: "give back `next` of the page before, as it came")
    }
    return position
  }
}
