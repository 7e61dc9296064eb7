// Who may use the admin API: digests of tokens, never the tokens.

import Postgres

/// Who asks for a change.
package struct Actor: Sendable, Hashable, CustomStringConvertible {
  /// `operator:first`, `edge:<id>`, `system`
  package let description: String

  package static let system = Actor(description: "system")

  package init(description: String) {
    self.description = description
  }
}

package enum OperatorTokenStore {
  package static func isEmpty(on session: some PostgresSession) async throws -> Bool {
    try await session.query("SELECT NOT EXISTS (SELECT FROM operator_tokens) AS empty").single().get("empty")
  }

  package static func insert(
    id: PostgresUUID, name: String, digest: Digest, on session: some PostgresSession
  ) async throws {
    try await session.query(
      "INSERT INTO operator_tokens (id, name, digest) VALUES ($1, $2, $3)", id, name, digest.bytes)
  }

  /// - Returns: nothing for a token that does not exist or was revoked
  package static func actor(for digest: Digest, on session: some PostgresSession) async throws -> Actor? {
    let rows = try await session.query(
      "SELECT name, digest FROM operator_tokens WHERE digest = $1 AND revoked_at IS NULL", digest.bytes)
    guard let row = rows.first, Digest(bytes: try row.get("digest")) == digest else { return nil }
    return Actor(description: "operator:\(try row.get("name", as: String.self))")
  }
}
