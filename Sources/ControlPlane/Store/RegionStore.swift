// Regions as operators declared them.

import AdminAPI
import Postgres

package enum RegionStore {
  package static func list(on session: some PostgresSession) async throws -> [RegionDocument] {
    try await session.query("SELECT name, title, jurisdiction, country FROM regions ORDER BY name").map {
      row in
      RegionDocument(
        name: try row.get("name"), title: try row.get("title"), jurisdiction: try row.get("jurisdiction"),
        country: try row.get("country"))
    }
  }

  package enum Outcome: Sendable {
    case created
    case changed
    case unchanged
  }

  /// Makes the region or brings it to what is declared.
  package static func apply(
    _ region: RegionSpecification, on session: some PostgresSession
  ) async throws -> Outcome {
    let rows = try await session.query(
      """
      INSERT INTO regions AS present (name, title, jurisdiction, country) VALUES ($1, $2, $3, $4)
      ON CONFLICT (name) DO UPDATE
        SET title = excluded.title, jurisdiction = excluded.jurisdiction, country = excluded.country, updated_at = now()
        WHERE (present.title, present.jurisdiction, present.country)
          IS DISTINCT FROM (excluded.title, excluded.jurisdiction, excluded.country)
      RETURNING (xmax = 0) AS created
      """, region.name.text, region.title.text, region.jurisdiction, region.country)
    guard let row = rows.first else { return .unchanged }
    return try row.get("created") ? .created : .changed
  }

  package static func exists(_ name: ResourceName, on session: some PostgresSession) async throws -> Bool {
    try await session.query("SELECT FROM regions WHERE name = $1", name.text).count == 1
  }
}
