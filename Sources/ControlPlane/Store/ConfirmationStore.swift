// Removals that an operator confirmed, counted for an edge that stands on an older version.

import Postgres
import StraitProtocol

package enum ConfirmationStore {
  /// The newest version that was confirmed on the way from one version to another; nothing where none was.
  package static func confirmed(
    after since: UInt64, through version: UInt64, on session: some PostgresSession
  ) async throws -> UInt64? {
    try await session.query(
      """
      SELECT max(confirms) AS confirmed FROM configuration_versions
      WHERE confirms > $1 AND version > $1 AND version <= $2
      """, Int64(clamping: since), Int64(clamping: version)
    ).single().get("confirmed", as: Int64?.self).map { UInt64(clamping: $0) }
  }

  /// What was there at one version and is not at another, of each kind. Keys count while they were good.
  package static func removals(
    since: UInt64, through version: UInt64, on session: some PostgresSession
  ) async throws -> WireConfirmedRemovals {
    let (from, to) = (Int64(clamping: since), Int64(clamping: version))
    var removals = WireConfirmedRemovals()
    removals.since = since
    let rows = try await session.query(
      """
      SELECT kind, count(*) AS gone FROM (
        SELECT DISTINCT kind, resource FROM configuration_changes
        WHERE version > $1 AND version <= $2 AND kind <> 'key'
      ) AS touched
      WHERE resource_at(kind, resource, $1) IS NOT NULL AND resource_at(kind, resource, $2) IS NULL GROUP BY kind
      """, from, to)
    for row in rows {
      let gone = try row.unsigned("gone")
      switch ResourceKey.Kind(rawValue: try row.get("kind")) {
      case .region: removals.regions = gone
      case .upstream: removals.upstreams = gone
      case .offer: removals.offers = gone
      case .team: removals.teams = gone
      case .key, nil: break
      }
    }
    removals.keys = try await goneKeys(from, to, on: session)
    return removals
  }

  /// Keys go by themselves or with their team.
  private static func goneKeys(
    _ since: Int64, _ version: Int64, on session: some PostgresSession
  ) async throws -> UInt64 {
    try await session.query(
      """
      WITH touched AS (
        SELECT resource AS key FROM configuration_changes WHERE kind = 'key' AND version > $1 AND version <= $2
        UNION
        SELECT id::text FROM keys WHERE team_id IN (
          SELECT resource::uuid FROM configuration_changes WHERE kind = 'team' AND version > $1 AND version <= $2)
      ), rows AS (
        SELECT resource_at('key', key, $1) AS before, resource_at('key', key, $2) AS after FROM touched
      )
      SELECT count(*) AS gone FROM rows
      WHERE before ->> 'revoked_at' IS NULL AND before IS NOT NULL
        AND NOT (resource_at('team', before ->> 'team_id', $1) -> 'suspended')::boolean
        AND (after ->> 'revoked_at' IS NOT NULL OR after IS NULL
          OR (resource_at('team', before ->> 'team_id', $2) -> 'suspended')::boolean)
      """, since, version
    ).single().unsigned("gone")
  }
}
