// The fleet: which edges there are, and who is taken out of it.

import AdminAPI
import Postgres
import StraitProtocol

package struct EdgeService: Sendable {
  let changes: ChangeService

  package init(changes: ChangeService) {
    self.changes = changes
  }

  package func list() async throws -> [EdgeSummary] {
    try await FleetStore.list(on: changes.pool)
  }

  /// Takes an edge out of the fleet: every replica ends its streams and refuses its calls. Evicting it again changes
  /// nothing and is no error.
  package func evict(_ id: String, by actor: Actor) async throws -> EdgeSummary {
    let unknown = Refusal(.notFound, "there is no such edge", hint: "give its id; see `strait edge list`")
    guard let edge = EdgeID(id) else { throw unknown }
    return try await changes.perform(by: actor) { transaction in
      let evicted = try await EdgeStore.evict(edge, on: transaction)
      guard let summary = try await FleetStore.find(edge, on: transaction) else { throw unknown }
      return (summary, evicted ? Change("edge.evict", subject: "\(edge) in \(summary.region)") : nil)
    }
  }
}
