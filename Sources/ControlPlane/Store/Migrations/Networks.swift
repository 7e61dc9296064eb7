// Which addresses an upstream may have.

import Postgres

extension PostgresMigration {
  package static let networks = PostgresMigration(
    number: 8, name: "networks",
    sql: """
      -- Absent for those that were there before and for rows that a rollback brings back from then: operators set them
      -- when every address would do, so they keep private networks.
      ALTER TABLE upstreams ADD COLUMN network text CHECK (network IN ('public', 'private'));
      """)
}
