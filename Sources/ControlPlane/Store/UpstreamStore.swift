// Upstreams. Credentials come in sealed and are read back only for edges, in ConfigurationStore.

import AdminAPI
import Postgres
import StraitProtocol

package enum UpstreamStore {
  /// - Throws: a unique violation where the name is taken
  package static func insert(
    _ id: UpstreamID, _ upstream: UpstreamSpecification, sealedCredential: [UInt8]?,
    on session: some PostgresSession
  ) async throws {
    try await session.query(
      """
      INSERT INTO upstreams
        (id, name, region, origin, path_prefix, protocol, credential_style, credential_sealed, ca_pem,
         private, network)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
      """,
      id, upstream.name.text, upstream.region.text, upstream.address.origin, upstream.address.pathPrefix,
      upstream.httpVersion.rawValue, upstream.credentialStyle.rawValue, sealedCredential,
      upstream.certificateAuthorityPEM, upstream.isPrivate, upstream.network.rawValue)
  }

  package static func list(on session: some PostgresSession) async throws -> [UpstreamSummary] {
    try await session.query(
      """
      SELECT id, name, region, origin || path_prefix AS url, protocol, credential_style, private,
        COALESCE(network, 'private') AS network, created_at
      FROM upstreams ORDER BY name
      """
    ).map(summary)
  }

  package static func find(_ id: UpstreamID, on session: some PostgresSession) async throws
    -> UpstreamSummary?
  {
    try await session.query(
      """
      SELECT id, name, region, origin || path_prefix AS url, protocol, credential_style, private,
        COALESCE(network, 'private') AS network, created_at
      FROM upstreams WHERE id = $1
      """, id
    ).first.map(summary)
  }

  /// - Returns: the CA certificates that it is trusted by; the row stays as it is until the transaction ends
  package static func lockedAuthority(
    _ id: UpstreamID, on session: PostgresTransaction
  ) async throws -> String? {
    try await session.query("SELECT ca_pem FROM upstreams WHERE id = $1 FOR UPDATE", id).first?.get("ca_pem")
  }

  /// - Parameter sealedCredential: nothing keeps the one that it has, where its style wants one
  /// - Returns: whether that changes anything
  package static func update(
    _ id: UpstreamID, _ upstream: UpstreamSpecification, sealedCredential: [UInt8]?,
    on session: PostgresTransaction
  ) async throws -> Bool {
    try await session.execute(
      """
      UPDATE upstreams SET origin = $2, path_prefix = $3, protocol = $4, credential_style = $5, ca_pem = $7, private = $8,
        network = $9, credential_sealed = CASE WHEN $5 = 'none' THEN NULL ELSE coalesce($6, credential_sealed) END
      WHERE id = $1 AND ($6::bytea IS NOT NULL
        OR (origin, path_prefix, protocol, credential_style, ca_pem, private, coalesce(network, 'private'))
          IS DISTINCT FROM ($2, $3, $4, $5, $7, $8, $9))
      """, id, upstream.address.origin, upstream.address.pathPrefix, upstream.httpVersion.rawValue,
      upstream.credentialStyle.rawValue, sealedCredential, upstream.certificateAuthorityPEM,
      upstream.isPrivate, upstream.network.rawValue) == 1
  }

  package static func named(_ name: String, on session: some PostgresSession) async throws -> UpstreamID? {
    try await session.query("SELECT id FROM upstreams WHERE name = $1", name).first?.get("id")
  }

  private static func summary(_ row: PostgresRow) throws -> UpstreamSummary {
    UpstreamSummary(
      id: try row.get("id", as: UpstreamID.self).description, name: try row.get("name"),
      region: try row.get("region"), url: try row.get("url"), httpVersion: try row.get("protocol"),
      credentialStyle: try row.get("credential_style"), private: try row.get("private"),
      network: try row.get("network"), createdAt: try row.time("created_at"))
  }
}
