// Regions: declared as a whole, brought in line one by one.

import AdminAPI
import Postgres

package struct RegionService: Sendable {
  let changes: ChangeService

  package init(changes: ChangeService) {
    self.changes = changes
  }

  package func list() async throws -> [RegionDocument] {
    try await RegionStore.list(on: changes.pool)
  }

  /// Makes what is missing and changes what differs; leaves alone what is not named. All or nothing.
  package func apply(_ documents: [RegionDocument], by actor: Actor) async throws -> RegionApplyResult {
    // In the order of names, so that two applications at once cannot wait for each other's rows.
    let regions = try RegionSpecification.list(documents).sorted { $0.name.text < $1.name.text }
    return try await changes.perform(by: actor) { transaction in
      var result = RegionApplyResult(created: [], changed: [], unchanged: [])
      for region in regions {
        switch try await RegionStore.apply(region, on: transaction) {
        case .created: result.created.append(region.name.text)
        case .changed: result.changed.append(region.name.text)
        case .unchanged: result.unchanged.append(region.name.text)
        }
      }
      let touched = result.created + result.changed
      guard !touched.isEmpty else { return (result, nil) }
      let subject = touched.joined(separator: " ")
      return (
        result, Change("region.apply", subject: subject, resources: touched.map { ResourceKey(.region, $0) })
      )
    }
  }
}

/// The region must be there before something can stand in it.
func requireRegion(_ name: ResourceName, on session: some PostgresSession) async throws {
  guard try await RegionStore.exists(name, on: session) else {
    throw Refusal(
      .notFound, "region \(name) does not exist",
      hint: "see the regions with `strait region list`, or add it with `strait region apply`")
  }
}
