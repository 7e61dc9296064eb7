// Accounts and their teams.

import AdminAPI
import Postgres
import StraitProtocol

package enum TeamStore {
  /// - Returns: the account of that name, made with `id` where there was none
  package static func accountNamed(
    _ name: ResourceName, orNew id: AccountID, on session: some PostgresSession
  ) async throws -> AccountID {
    // The update of nothing makes the row come back where it already stood.
    try await session.query(
      """
      INSERT INTO accounts (id, name) VALUES ($1, $2)
      ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id
      """, id, name.text
    ).single().get("id")
  }

  /// - Throws: a unique violation where the account has a team of that name
  package static func insert(
    _ id: TeamID, account: AccountID, name: ResourceName, stalenessLimit: StalenessLimit,
    on session: some PostgresSession
  ) async throws {
    try await session.query(
      "INSERT INTO teams (id, account_id, name, staleness_limit_seconds) VALUES ($1, $2, $3, $4)", id,
      account,
      name.text, stalenessLimit.seconds)
  }

  package static func list(on session: some PostgresSession) async throws -> [TeamSummary] {
    try await session.query(
      """
      SELECT teams.id, teams.name, accounts.name AS account, teams.suspended, teams.staleness_limit_seconds,
        teams.created_at
      FROM teams JOIN accounts ON accounts.id = teams.account_id ORDER BY accounts.name, teams.name
      """
    ).map(summary)
  }

  package static func find(_ id: TeamID, on session: some PostgresSession) async throws -> TeamSummary? {
    try await session.query(
      """
      SELECT teams.id, teams.name, accounts.name AS account, teams.suspended, teams.staleness_limit_seconds,
        teams.created_at
      FROM teams JOIN accounts ON accounts.id = teams.account_id WHERE teams.id = $1
      """, id
    ).first.map(summary)
  }

  /// Teams of that name: one an account at most.
  package static func named(_ name: String, on session: some PostgresSession) async throws -> [TeamID] {
    try await session.query("SELECT id FROM teams WHERE name = $1", name).map { try $0.get("id") }
  }

  /// - Returns: whether that changes anything
  package static func setSuspended(
    _ suspended: Bool, _ id: TeamID, on session: some PostgresSession
  ) async throws -> Bool {
    try await session.execute(
      "UPDATE teams SET suspended = $2 WHERE id = $1 AND suspended <> $2", id, suspended) == 1
  }

  /// For a change that names the team and leaves it as it is: what it was before is kept by what updates it. Without
  /// that the log of changes would say that there had been no such team.
  package static func noteUnchanged(_ id: TeamID, on session: some PostgresSession) async throws {
    try await session.query("UPDATE teams SET suspended = suspended WHERE id = $1", id)
  }

  /// - Returns: whether that changes anything
  package static func setStalenessLimit(
    _ limit: StalenessLimit, _ id: TeamID, on session: some PostgresSession
  ) async throws -> Bool {
    try await session.execute(
      """
      UPDATE teams SET staleness_limit_seconds = $2 WHERE id = $1 AND staleness_limit_seconds IS DISTINCT FROM $2
      """, id, limit.seconds) == 1
  }

  private static func summary(_ row: PostgresRow) throws -> TeamSummary {
    TeamSummary(
      id: try row.get("id", as: TeamID.self).description, name: try row.get("name"),
      account: try row.get("account"), suspended: try row.get("suspended"),
      stalenessLimitSeconds: try row.get("staleness_limit_seconds", as: Int32?.self).map(Int.init),
      createdAt: try row.time("created_at"))
  }
}
