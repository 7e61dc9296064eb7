// Revocations: what was taken away, ahead of the configuration, and how far each edge has come with it.

import Postgres

extension PostgresMigration {
  package static let revocations = PostgresMigration(
    number: 5, name: "revocations",
    sql: """
      -- Numbers rise in the order of commits: they are given out behind the lock on configuration_state.
      CREATE TABLE revocations (
        number bigint PRIMARY KEY CHECK (number > 0),
        key_id uuid REFERENCES keys,
        team_id uuid REFERENCES teams,
        version bigint NOT NULL,
        key_count bigint NOT NULL CHECK (key_count >= 0),
        confirmed boolean NOT NULL,
        made_at timestamptz NOT NULL DEFAULT now(),
        CHECK ((key_id IS NULL) <> (team_id IS NULL))
      );
      CREATE INDEX revocations_by_time ON revocations (made_at);
      CREATE INDEX revocations_by_key ON revocations (key_id) WHERE key_id IS NOT NULL;
      CREATE INDEX revocations_by_team ON revocations (team_id) WHERE team_id IS NOT NULL;

      -- What an edge has in force and on its disk.
      CREATE TABLE revocation_watchers (
        edge_id uuid PRIMARY KEY REFERENCES edges,
        number bigint NOT NULL,
        seen_at timestamptz NOT NULL DEFAULT now()
      );

      CREATE TABLE revocation_refusals (
        number bigint NOT NULL REFERENCES revocations ON DELETE CASCADE,
        edge_id uuid NOT NULL REFERENCES edges,
        reason text NOT NULL,
        refused_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (number, edge_id)
      );
      """)
}
