// Puts what serves callers back to what it was at an older version. Only ever called by a change, which numbers the
// result as a new version.

import Postgres
import StraitProtocol

package enum RollbackStore {
  package struct Outcome: Sendable {
    package var changed: [ResourceKey] = []
    /// Of those that changed, how many are gone.
    package var removed = 0
    /// Regions that stay because something stands in them.
    package var kept: [ResourceKey] = []
  }

  private struct Past {
    let key: ResourceKey
    /// Nothing where there was no such resource then.
    let existed: Bool
  }

  /// Regions, upstreams and offers become what they were; so do the teams that were there, but a suspended one stays
  /// suspended. Keys are left alone: a rollback never gives access back.
  package static func restore(
    to version: UInt64, on transaction: PostgresTransaction
  ) async throws -> Outcome {
    let past = try await changed(since: version, on: transaction)
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
    ).compactMap { row in
      try ResourceKey(row).map { Past(key: $0, existed: try row.get("existed")) }
    }
  }

  /// - Returns: whether it is gone; a region stays while an edge, an invitation or an upstream names it
  private static func remove(
    _ key: ResourceKey, on transaction: PostgresTransaction
  ) async throws -> Bool {
    switch key.kind {
    case .offer: return try await transaction.execute("DELETE FROM offers WHERE id = $1::uuid", key.uuid) == 1
    case .upstream:
      return try await transaction.execute("DELETE FROM upstreams WHERE id = $1::uuid", key.uuid) == 1
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
