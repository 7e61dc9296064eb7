// Offers and their prices.

import AdminAPI
import Postgres
import StraitProtocol

package struct OfferService: Sendable {
  let changes: ChangeService

  package init(changes: ChangeService) {
    self.changes = changes
  }

  package func list() async throws -> [OfferSummary] {
    try await OfferStore.list(on: changes.pool)
  }

  package func create(_ request: OfferRequest, by actor: Actor) async throws -> OfferSummary {
    let offer = try OfferSpecification(request)
    let id: OfferID = newIdentifier()
    let taken = Refusal(
      .conflict, "upstream \(offer.upstream) offers model \(offer.model) in that dialect already",
      hint: "see the offers with `strait offer list`")
    return try await refusingDuplicates(as: taken) {
      try await changes.perform(by: actor) { transaction in
        let upstream = try await UpstreamService.resolve(offer.upstream, on: transaction)
        try await OfferStore.insert(id, offer, upstream: upstream, on: transaction)
        let change = Change(
          "offer.create", subject: "\(offer.model) \(id)", resources: [ResourceKey(.offer, id)])
        return (try await Self.summary(of: id, on: transaction), change)
      }
    }
  }

  /// Changes what is given; what is so already is no error and makes no version. Edges know no prices, so that of prices
  /// alone they hear nothing.
  package func update(
    _ idOrModel: String, _ request: OfferChangeRequest, by actor: Actor
  ) async throws -> OfferSummary {
    guard request != OfferChangeRequest() else {
      throw Refusal.invalid("nothing is to be changed", hint: "give weight, upstream_model or a price")
    }
    return try await changes.perform(by: actor) { transaction in
      let id = try await Self.resolve(idOrModel, on: transaction)
      let offer = try OfferSpecification(try await Self.summary(of: id, on: transaction), changing: request)
      let isCharged = try await OfferStore.updatePrices(offer.prices, of: id, on: transaction)
      let isServed = try await OfferStore.update(id, offer, on: transaction)
      let change = Change(
        "offer.update", subject: "\(offer.model) \(id)", resources: isServed ? [ResourceKey(.offer, id)] : [])
      return (try await Self.summary(of: id, on: transaction), isCharged || isServed ? change : nil)
    }
  }

  /// Nobody gets the model from that upstream any more. What was used of it keeps its cost.
  package func remove(_ idOrModel: String, by actor: Actor) async throws -> OfferSummary {
    try await changes.perform(by: actor) { transaction in
      let id = try await Self.resolve(idOrModel, on: transaction)
      let summary = try await Self.summary(of: id, on: transaction)
      guard let left = try await OfferStore.remove(id, on: transaction) else {
        throw Refusal(.notFound, "offer \(id) is gone")
      }
      // Edges doubt it when the last one goes; here somebody has said just that.
      let next = try await HistoryStore.lock(on: transaction).newest + 1
      let change = Change(
        "offer.remove", subject: "\(summary.model) \(id)", resources: [ResourceKey(.offer, id)],
        confirms: left == 0 ? next : nil)
      return (summary, change)
    }
  }

  private static func resolve(_ idOrModel: String, on session: some PostgresSession) async throws -> OfferID {
    let named = try await OfferStore.named(idOrModel, on: session)
    if named.count > 1 {
      throw Refusal(
        .conflict, "there are \(named.count) offers of model \(quoted(idOrModel))",
        hint: "name one by its id; see `strait offer list`")
    }
    guard let id = named.first else {
      throw Refusal(
        .notFound, "offer \(quoted(idOrModel)) does not exist",
        hint: "see the offers with `strait offer list`, or add it with `strait offer add`")
    }
    return id
  }

  private static func summary(of id: OfferID, on session: some PostgresSession) async throws -> OfferSummary {
    guard let summary = try await OfferStore.find(id, on: session) else {
      throw Refusal(.notFound, "offer \(id) is gone")
    }
    return summary
  }
}
