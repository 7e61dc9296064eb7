// Versions that an operator confirmed although they take much away.

import Postgres

extension PostgresMigration {
  package static let confirmations = PostgresMigration(
    number: 7, name: "confirmations",
    sql: """
      -- Up to which version whatever was removed is meant to be gone: said by this version, which may be that one itself.
      ALTER TABLE configuration_versions ADD COLUMN confirms bigint CHECK (confirms <= version);
      CREATE INDEX configuration_versions_confirming ON configuration_versions (version) WHERE confirms IS NOT NULL;
      """)
}
