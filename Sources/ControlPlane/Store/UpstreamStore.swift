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
