// The daily partitions of the usage records, made when a batch needs them.

import Postgres

package enum UsagePartitionStore {
  /// Makes the partitions of the given days where they are missing, in transactions of their own: a batch's transaction
  /// then takes no lock on the whole table.
  package static func ensure(days: Set<Int64>, on pool: PostgresPool) async throws {
    for day in days.sorted() {
      let name = name(of: day)
      if !(try await exists(name, on: pool)) { try await make(day: day, name: name, on: pool) }
    }
  }

  /// Reads the catalogue's tables: `to_regclass` answers from a cache that may still say "no" behind the lock below.
  private static func exists(_ name: String, on session: some PostgresSession) async throws -> Bool {
    try await session.query(
      """
      SELECT FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
      WHERE inhparent = 'usage_records'::regclass AND relname = $1::text
      """, name
    ).count == 1
  }

  /// - Parameter day: days since 1970
  private static func name(of day: Int64) -> String {
    "usage_records_" + CivilDate(day: day).description.filter { $0 != "-" }
  }

  /// Attaching takes a weaker lock than making the partition in place, so readers and other batches go on.
  private static func make(day: Int64, name: String, on pool: PostgresPool) async throws {
    let table = Statement.quoted(identifier: name)
    let create = Statement(
      generatedFromTrustedPartsOnly:
        "CREATE TABLE \(table) (LIKE usage_records INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
    let attach = Statement(
      generatedFromTrustedPartsOnly: """
        ALTER TABLE usage_records ATTACH PARTITION \(table)
        FOR VALUES FROM ('\(CivilDate(day: day)) 00:00:00+00') TO ('\(CivilDate(day: day + 1)) 00:00:00+00')
        """)
    try await pool.transaction { transaction in
      // Two replicas may want the same day at once: the second finds it made.
      try await transaction.query("SELECT pg_advisory_xact_lock(7310318765122)")
      guard !(try await exists(name, on: transaction)) else { return }
      try await transaction.query(create)
      try await transaction.query(attach)
    }
  }
}
