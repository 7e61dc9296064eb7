// How old the configuration of an edge may be for a team to be served by it.

import Postgres

extension PostgresMigration {
  package static let staleness = PostgresMigration(
    number: 6, name: "staleness",
    sql: """
      -- Absent for never. A younger column has today's value in the tables as they were at a version.
      ALTER TABLE teams ADD COLUMN staleness_limit_seconds integer CHECK (staleness_limit_seconds > 0);
      """)
}
