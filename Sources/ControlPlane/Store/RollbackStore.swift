// Puts what serves callers back to what it was at an older version. Only ever called by a change, which numbers the
// result as a new version.

import Postgres
import StraitProtocol

package enum RollbackStore {
  package struct Outcome: Sendable {
    package var changed: [ResourceKey] = []
    /// Of those that changed, how many are gone.
    package var removed = 0
    /// What stays as it is because something stands on it, or has its place.
    package var kept: [ResourceKey] = []
  }

  private struct Past {
    let key: ResourceKey
    /// Whether there was such a resource then.
    let existed: Bool
  }

  /// A way from one version to another that did not go well.
  package struct Failed: Sendable {
    let base: UInt64
    let target: UInt64
    /// Whether who may ask is what it is about: where it is about who answers, teams are left as they are, like keys.
    let isOfCallers: Bool
    /// What has been changed beyond the target waited for it, and is not its fault.
    let newest: UInt64
  }

  /// Regions, upstreams and offers become what they were; so do the teams that were there, but a suspended one stays
  /// suspended. Keys are left alone: a rollback never gives access back.
  package static func restore(
    to version: UInt64, on transaction: PostgresTransaction
  ) async throws -> Outcome {
    try await restore(try await changed(since: version, on: transaction), to: version, on: transaction)
  }

  /// Whether it changed anything that can be taken back.
  package static func hasChanged(
    _ failed: Failed, on transaction: PostgresTransaction
  ) async throws -> Bool {
    let (base, target) = (Int64(clamping: failed.base), Int64(clamping: failed.target))
    let catalogue: Bool = try await transaction.query(
      """
      SELECT EXISTS (
        SELECT FROM (
          SELECT DISTINCT kind, resource FROM configuration_changes
          WHERE version > $1 AND version <= $2 AND kind NOT IN ('team', 'key')
        ) AS touched
        WHERE resource_at(kind, resource, $1) IS DISTINCT FROM resource_at(kind, resource, $2)) AS changed
      """, base, target
    ).single().get("changed")
    if catalogue { return true }
    return try await !teams(of: failed, on: transaction).isEmpty
  }

  /// Takes back what a failed way changed, and with it what waited behind it, for what is about to go to all edges at once
  /// is to have nothing untried. `bringAgain` makes another version of the latter.
  package static func takeBack(
    _ failed: Failed, on transaction: PostgresTransaction
  ) async throws -> Outcome {
    let teams = try await teams(of: failed, on: transaction)
    let past = try await changed(since: failed.base, on: transaction).filter { past in
      past.key.kind != .team || teams.contains(past.key)
    }
    return try await restore(past, to: failed.base, on: transaction)
  }

  /// Regions, upstreams and offers as they had been changed behind a failed way that has been taken back since. What
  /// stands on something that is gone with it stays gone.
  package static func bringAgain(
    _ failed: Failed, on transaction: PostgresTransaction
  ) async throws -> Outcome {
    let waited = try await transaction.query(
      """
      SELECT kind, resource, wanted IS NOT NULL AS existed FROM (
        SELECT kind, resource, resource_at(kind, resource, $1) AS tried, resource_at(kind, resource, $2) AS wanted,
          resource_now(kind, resource) AS present
        FROM (
          SELECT DISTINCT kind, resource FROM configuration_changes
          WHERE version > $1 AND version <= $2 AND kind NOT IN ('team', 'key')
        ) AS touched
      ) AS contents
      WHERE tried IS DISTINCT FROM wanted AND wanted IS DISTINCT FROM present ORDER BY kind, resource
      """, Int64(clamping: failed.target), Int64(clamping: failed.newest)
    ).compactMap(past)
    return try await restore(waited, to: failed.newest, on: transaction)
  }

  private static func restore(
    _ past: [Past], to version: UInt64, on transaction: PostgresTransaction
  ) async throws -> Outcome {
    var outcome = Outcome()
    // What refers goes before what it refers to, and comes after it.
    for kind in [ResourceKey.Kind.offer, .upstream, .region] {
      for resource in past where resource.key.kind == kind && !resource.existed {
        if try await remove(resource.key, on: transaction) {
          outcome.changed.append(resource.key)
          outcome.removed += 1
        } else {
          outcome.kept.append(resource.key)
        }
      }
    }
    for kind in [ResourceKey.Kind.region, .upstream, .offer, .team] {
      for resource in past where resource.key.kind == kind && resource.existed {
        guard try await fits(resource.key, at: version, on: transaction) else {
          outcome.kept.append(resource.key)
          continue
        }
        try await putBack(resource.key, to: version, on: transaction)
        outcome.changed.append(resource.key)
      }
    }
    return outcome
  }

  /// Ends the keys that were made after a version and up to another.
  package static func revokeKeys(
    madeAfter version: UInt64, through last: UInt64, on transaction: PostgresTransaction
  ) async throws -> [ResourceKey] {
    try await transaction.query(
      """
      UPDATE keys SET revoked_at = now() WHERE revoked_at IS NULL AND id IN (
        SELECT resource::uuid FROM configuration_changes
        WHERE kind = 'key' AND version > $1 AND version <= $2 AND resource_at('key', resource, $1) IS NULL
      ) RETURNING id
      """, Int64(clamping: version), Int64(clamping: last)
    ).map { ResourceKey(.key, try $0.get("id", as: KeyID.self)) }
  }

  private static func changed(
    since version: UInt64, on transaction: PostgresTransaction
  ) async throws -> [Past] {
    try await transaction.query(
      """
      SELECT kind, resource, past IS NOT NULL AS existed FROM (
        SELECT kind, resource, resource_at(kind, resource, $1) AS past, resource_now(kind, resource) AS present
        FROM (
          SELECT DISTINCT kind, resource FROM configuration_changes WHERE version > $1 AND kind <> 'key'
        ) AS touched
      ) AS contents
      WHERE past IS DISTINCT FROM present ORDER BY kind, resource
      """, Int64(clamping: version)
    ).compactMap(past)
  }

  private static func past(_ row: PostgresRow) throws -> Past? {
    try ResourceKey(row).map { Past(key: $0, existed: try row.get("existed")) }
  }

  /// The teams that a failed way about callers changed and nobody since. What it took away stays away, so a team that it
  /// only suspended is not among them.
  private static func teams(
    of failed: Failed, on transaction: PostgresTransaction
  ) async throws -> Set<ResourceKey> {
    guard failed.isOfCallers else { return [] }
    let rows = try await transaction.query(
      """
      SELECT 'team' AS kind, resource FROM (
        SELECT resource, resource_at('team', resource, $1) AS past, resource_now('team', resource) AS present
        FROM configuration_changes WHERE kind = 'team' AND version > $1
        GROUP BY resource HAVING min(version) <= $2 AND max(version) <= $2
      ) AS touched
      WHERE past IS NOT NULL AND (past - 'suspended' IS DISTINCT FROM present - 'suspended'
        OR (past -> 'suspended')::boolean AND NOT (present -> 'suspended')::boolean)
      """, Int64(clamping: failed.base), Int64(clamping: failed.target))
    return Set(try rows.compactMap(ResourceKey.init))
  }

  /// Whether what it refers to is there, and nothing else has its place.
  private static func fits(
    _ key: ResourceKey, at version: UInt64, on transaction: PostgresTransaction
  ) async throws -> Bool {
    let version = Int64(clamping: version)
    switch key.kind {
    case .upstream:
      return try await transaction.query(
        """
        SELECT FROM resource_at('upstream', $1, $2) AS wanted WHERE EXISTS (
          SELECT FROM regions WHERE name = wanted ->> 'region')
        AND NOT EXISTS (SELECT FROM upstreams WHERE id <> $1::uuid AND name = wanted ->> 'name')
        """, key.id, version
      ).count == 1
    case .offer:
      return try await transaction.query(
        """
        SELECT FROM resource_at('offer', $1, $2) AS wanted WHERE EXISTS (
          SELECT FROM upstreams WHERE id::text = wanted ->> 'upstream_id')
        AND NOT EXISTS (
          SELECT FROM offers WHERE id <> $1::uuid AND upstream_id::text = wanted ->> 'upstream_id'
            AND model = wanted ->> 'model' AND dialect = (wanted -> 'dialect')::integer)
        """, key.id, version
      ).count == 1
    case .region, .team, .key: return true
    }
  }

  /// - Returns: whether it is gone; what something stands on stays
  private static func remove(
    _ key: ResourceKey, on transaction: PostgresTransaction
  ) async throws -> Bool {
    switch key.kind {
    case .offer: return try await transaction.execute("DELETE FROM offers WHERE id = $1::uuid", key.uuid) == 1
    case .upstream:
      return try await transaction.execute(
        """
        DELETE FROM upstreams WHERE id = $1::uuid AND NOT EXISTS (SELECT FROM offers WHERE upstream_id = $1::uuid)
        """, key.uuid) == 1
    case .region:
      return try await transaction.execute(
        """
        DELETE FROM regions WHERE name = $1
          AND NOT EXISTS (SELECT FROM edges WHERE region = $1) AND NOT EXISTS (SELECT FROM join_tokens WHERE region = $1)
          AND NOT EXISTS (SELECT FROM upstreams WHERE region = $1)
        """, key.id) == 1
    case .team, .key: return false
    }
  }

  private static func putBack(
    _ key: ResourceKey, to version: UInt64, on transaction: PostgresTransaction
  ) async throws {
    let version = Int64(clamping: version)
    switch key.kind {
    case .region:
      try await transaction.query(
        "SELECT restore_row('regions', 'name', resource_at('region', $1, $2))", key.id, version)
    case .upstream:
      try await transaction.query(
        "SELECT restore_row('upstreams', 'id', resource_at('upstream', $1, $2))", key.id, version)
    case .offer:
      try await transaction.query(
        "SELECT restore_row('offers', 'id', resource_at('offer', $1, $2))", key.id, version)
    case .team:
      try await transaction.query(
        """
        SELECT restore_row('teams', 'id', resource_at('team', $1, $2) || jsonb_build_object('suspended',
          (resource_at('team', $1, $2) -> 'suspended')::boolean OR suspended))
        FROM teams WHERE id = $1::uuid
        """, key.id, version)
    case .key: break
    }
  }
}

extension ResourceKey {
  /// Its id where that is a UUID.
  fileprivate var uuid: Identifier<Never>? { Identifier(id) }
}
