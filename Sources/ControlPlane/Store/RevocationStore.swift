// Revocations as they go to edges, and what edges said about them.

import Foundation
import Postgres
import StraitProtocol

package enum RevocationStore {
  package static let channel: StaticString = "strait_revocation"

  /// After so long a revocation that every edge's configuration holds is forgotten.
  package static let retentionDays = 30

  // MARK: Written by changes

  /// Numbers revocations behind the lock that `ChangeStore.appendVersion` took, so they are committed in order.
  ///
  /// A number is a time in microseconds: what a database that was put back from a backup numbers next lies beyond what
  /// edges have seen already.
  package static func append(
    _ revocations: [Revoking], version: Int64, on transaction: PostgresTransaction
  ) async throws {
    guard !revocations.isEmpty else { return }
    var (keys, teams): ([KeyID?], [TeamID?]) = ([], [])
    for revoking in revocations {
      switch revoking.subject {
      case .key(let id): (keys, teams) = (keys + [id], teams + [nil])
      case .team(let id): (keys, teams) = (keys + [nil], teams + [id])
      }
    }
    try await transaction.query(
      """
      WITH base AS (
        SELECT greatest(coalesce(max(number), 0), (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) AS number
        FROM revocations
      ), added AS (
        INSERT INTO revocations (number, key_id, team_id, version, key_count, confirmed)
        SELECT base.number + place, key_id, team_id, $5, key_count, confirmed
        FROM base, unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::boolean[]) WITH ORDINALITY
          AS asked (key_id, team_id, key_count, confirmed, place)
        RETURNING number
      )
      SELECT pg_notify('strait_revocation', max(number)::text) FROM added
      """, keys, teams, revocations.map { Int64($0.keyCount) }, revocations.map(\.isConfirmed), version)
  }

  /// Has edges take it, however many keys it is. They hear of it again under a new number.
  /// - Returns: the new number; nothing where there is no such revocation, or it is confirmed already
  package static func confirm(_ number: UInt64, on transaction: PostgresTransaction) async throws -> UInt64? {
    // The same lock as above, and for the same reason.
    try await transaction.query("SELECT FROM configuration_state FOR UPDATE")
    let number = Int64(clamping: number)
    guard
      try await transaction.query(
        "SELECT FROM revocations WHERE number = $1 AND NOT confirmed FOR UPDATE", number
      ).count == 1
    else { return nil }
    try await transaction.query("DELETE FROM revocation_refusals WHERE number = $1", number)
    return try await transaction.query(
      """
      WITH confirmed AS (
        UPDATE revocations SET confirmed = true, number =
          (SELECT greatest(max(number), (extract(epoch FROM clock_timestamp()) * 1000000)::bigint) + 1 FROM revocations)
        WHERE number = $1 RETURNING number
      )
      SELECT number, pg_notify('strait_revocation', number::text) FROM confirmed
      """, number
    ).single().unsigned("number")
  }

  /// Forgets what is old and in the configuration of every edge.
  package static func prune(on session: some PostgresSession) async throws {
    try await session.query(
      """
      DELETE FROM revocations WHERE made_at < now() - make_interval(days => $1)
        AND version <= (SELECT coalesce(min(version), 9223372036854775807) FROM edges WHERE evicted_at IS NULL)
      """, Int32(retentionDays))
  }

  /// Keys that went without a confirmation within the cap's time.
  package static func recentKeyCount(on session: some PostgresSession) async throws -> Int {
    let count: Int64 = try await session.query(
      """
      SELECT coalesce(sum(key_count), 0)::bigint AS keys FROM revocations
      WHERE made_at > now() - make_interval(secs => $1) AND NOT confirmed
      """, Double(RevocationCap.burstSeconds)
    ).single().get("keys")
    return Int(count)
  }

  // MARK: Read for edges

  package static func newest(on session: some PostgresSession) async throws -> UInt64 {
    try await session.query("SELECT coalesce(max(number), 0) AS number FROM revocations").single().unsigned(
      "number")
  }

  /// Those behind `number`, in order.
  package static func after(
    _ number: UInt64, limit: Int, lineage: LineageID, on session: some PostgresSession
  ) async throws -> [WireRevocation] {
    try await session.query(
      """
      SELECT number, key_id, team_id, version, confirmed, made_at FROM revocations
      WHERE number > $1 ORDER BY number LIMIT $2
      """, Int64(clamping: number), limit
    ).map { row in
      try .with {
        $0.lineage = Data(lineage.bytes)
        $0.number = try row.unsigned("number")
        if let key = try row.get("key_id", as: KeyID?.self) { $0.keyID = Data(key.bytes) }
        if let team = try row.get("team_id", as: TeamID?.self) { $0.teamID = Data(team.bytes) }
        $0.version = try row.unsigned("version")
        $0.confirmed = try row.get("confirmed")
        $0.madeAt = try row.get("made_at", as: PostgresTimestamp.self).microseconds
      }
    }
  }

  /// Of these, the suspensions of teams that were resumed since. What took all keys of a team stays: those keys are gone.
  package static func lifted(
    among numbers: [UInt64], on session: some PostgresSession
  ) async throws -> Set<UInt64> {
    let rows = try await session.query(
      """
      SELECT number FROM revocations JOIN teams ON teams.id = team_id AND NOT suspended
      WHERE number = ANY ($1) AND EXISTS (
        SELECT FROM configuration_changes AS change
        WHERE change.version = revocations.version AND kind = 'team' AND resource = team_id::text
          AND NOT (before -> 'suspended')::boolean
          AND (resource_at(kind, resource, revocations.version) -> 'suspended')::boolean)
      """, numbers.map { Int64(clamping: $0) })
    return Set(try rows.map { try $0.unsigned("number") })
  }

  /// Where an edge refused a revocation, and the configuration that holds it too.
  /// - Returns: the first version that holds the revocation; nothing where no edge stays behind because of it
  static func heldUp(by number: UInt64, on transaction: PostgresTransaction) async throws -> UInt64? {
    try await transaction.query(
      """
      SELECT version FROM revocations WHERE number = $1 AND EXISTS (
        SELECT FROM revocation_refusals AS refusal JOIN edges ON edges.id = edge_id
        WHERE refusal.number = revocations.number AND evicted_at IS NULL AND refused_version >= revocations.version)
      """, Int64(clamping: number)
    ).first?.unsigned("version")
  }

  // MARK: Said by edges

  /// - Parameter numbers: by edge, how far each has come
  package static func acknowledge(
    _ numbers: [EdgeID: UInt64], on session: some PostgresSession
  ) async throws {
    // In one order, so that two replicas that write of the same edges do not wait for each other.
    let ordered = numbers.sorted { $0.key < $1.key }
    try await session.query(
      """
      INSERT INTO revocation_watchers (edge_id, number) SELECT * FROM unnest($1::uuid[], $2::bigint[])
      ON CONFLICT (edge_id) DO UPDATE SET number = excluded.number, seen_at = now()
      """, ordered.map(\.key), ordered.map { Int64(clamping: $0.value) })
  }

  /// A number that no revocation has is passed over: an edge does not decide what there is.
  package static func refuse(
    _ number: UInt64, because reason: String, by edge: EdgeID, on session: some PostgresSession
  ) async throws {
    try await session.query(
      """
      INSERT INTO revocation_refusals (number, edge_id, reason)
      SELECT number, $2, $3 FROM revocations WHERE number = $1
      ON CONFLICT (number, edge_id) DO UPDATE SET reason = excluded.reason, refused_at = now()
      """, Int64(clamping: number), edge, reason)
  }
}
