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
        let upstream = try await Self.upstream(offer.upstream, on: transaction)
        try await OfferStore.insert(id, offer, upstream: upstream, on: transaction)
        guard let summary = try await OfferStore.find(id, on: transaction) else {
          throw Refusal(.notFound, "offer \(id) is gone")
        }
        let change = Change(
          "offer.create", subject: "\(offer.model) \(id)", resources: [ResourceKey(.offer, id)])
        return (summary, change)
      }
    }
  }

  private static func upstream(_ nameOrID: String, on session: some PostgresSession) async throws
    -> UpstreamID
  {
    if let id = try await UpstreamStore.named(nameOrID, on: session) { return id }
    if let id = UpstreamID(nameOrID), try await UpstreamStore.find(id, on: session) != nil { return id }
    throw Refusal(
      .notFound, "upstream \(quoted(nameOrID)) does not exist",
      hint: "see the upstreams with `strait upstream list`, or add it with `strait upstream add`")
  }
}
