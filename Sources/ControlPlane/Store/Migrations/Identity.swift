// What edges are known by beyond their certificates.

import Postgres

extension PostgresMigration {
  package static let identity = PostgresMigration(
    number: 4, name: "identity",
    sql: """
      -- Every key that was ever certified for an edge. An edge that asks again because an answer was lost, or because its
      -- certificate ended while it was away, is known by its key.
      CREATE TABLE edge_keys (
        digest bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
        edge_id uuid NOT NULL REFERENCES edges,
        certified_at timestamptz NOT NULL DEFAULT now()
      );
      CREATE INDEX edge_keys_by_edge ON edge_keys (edge_id);

      -- Reached from its own region alone; edges of other regions never hear of it.
      ALTER TABLE upstreams ADD COLUMN private boolean NOT NULL DEFAULT false;
      """)
}
