// When the control plane was there for edges, and when each of them came.

import Postgres

extension PostgresMigration {
  package static let attendance = PostgresMigration(
    number: 9, name: "attendance",
    sql: """
      -- One row, apart from the configuration's state: no replica waits for a change to say that it is there.
      CREATE TABLE attendance (
        single boolean PRIMARY KEY DEFAULT true CHECK (single),
        -- Since when some replica has been there without a break, and none has sent its edges away.
        since timestamptz NOT NULL,
        -- The end of the last such time before that was long enough for every edge to come back.
        before timestamptz NOT NULL,
        -- When a replica said last that it is there.
        noted_at timestamptz NOT NULL
      );
      INSERT INTO attendance (since, before, noted_at)
      SELECT now(), coalesce(max(last_seen_at), now()), now() FROM edges;

      -- Absent where no stream has begun since this column came.
      ALTER TABLE edges ADD COLUMN stream_began_at timestamptz;
      """)
}
