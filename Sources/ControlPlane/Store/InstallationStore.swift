// The one row that says which installation this database is.

import Postgres
import StraitProtocol

package struct InstallationRow: Sendable {
  package let lineage: LineageID
  package let authorityCertificate: [UInt8]
  package let authorityKeySealed: [UInt8]

  package init(lineage: LineageID, authorityCertificate: [UInt8], authorityKeySealed: [UInt8]) {
    self.lineage = lineage
    self.authorityCertificate = authorityCertificate
    self.authorityKeySealed = authorityKeySealed
  }
}

package enum InstallationStore {
  /// Keeps every other first start waiting until this transaction has ended.
  package static func lock(on session: PostgresTransaction) async throws {
    try await session.query("SELECT pg_advisory_xact_lock(7310318765121)")
  }

  package static func find(on session: some PostgresSession) async throws -> InstallationRow? {
    let rows = try await session.query(
      "SELECT lineage, authority_certificate, authority_key_sealed FROM installation")
    return try rows.first.map { row in
      InstallationRow(
        lineage: try row.get("lineage"), authorityCertificate: try row.get("authority_certificate"),
        authorityKeySealed: try row.get("authority_key_sealed"))
    }
  }

  package static func insert(_ row: InstallationRow, on session: some PostgresSession) async throws {
    try await session.query(
      """
      INSERT INTO installation (lineage, authority_certificate, authority_key_sealed) VALUES ($1, $2, $3)
      """, row.lineage, row.authorityCertificate, row.authorityKeySealed)
  }
}
