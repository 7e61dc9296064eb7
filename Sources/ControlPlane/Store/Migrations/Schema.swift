// The schema's history. Steps are only ever appended: a released one never changes.

import Postgres

package enum Schema {
  package static let migrations = PostgresMigrations([
    .foundation, .usage, .rollouts, .identity, .revocations, .staleness,
    .confirmations, .networks, .attendance,
  ])
}
