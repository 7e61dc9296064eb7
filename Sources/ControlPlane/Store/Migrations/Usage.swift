// Usage: the records, how far each edge's records have come, what was lost, and what could not be read.

import Postgres

extension PostgresMigration {
  package static let usage = PostgresMigration(
    number: 2, name: "usage",
    sql: """
      -- No foreign keys: a record outlives the key, the offer and the edge that it names. The primary key makes a second
      -- copy of a record impossible even where the watermark was lost with a database that failed over.
      CREATE TABLE usage_records (
        started_at timestamptz NOT NULL,
        edge_id uuid NOT NULL,
        epoch bigint NOT NULL,
        sequence bigint NOT NULL,
        id uuid NOT NULL,
        team_id uuid NOT NULL,
        key_id uuid NOT NULL,
        offer_id uuid NOT NULL,
        upstream_id uuid NOT NULL,
        duration_microseconds bigint NOT NULL,
        first_byte_microseconds bigint NOT NULL,
        endpoint smallint NOT NULL,
        dialect smallint NOT NULL,
        client_protocol smallint NOT NULL,
        streamed boolean NOT NULL,
        status smallint NOT NULL,
        upstream_status smallint NOT NULL,
        outcome smallint NOT NULL,
        attempts integer NOT NULL,
        usage_source smallint NOT NULL,
        input_tokens bigint NOT NULL,
        cached_input_tokens bigint NOT NULL,
        cache_write_tokens bigint NOT NULL,
        output_tokens bigint NOT NULL,
        reasoning_tokens bigint NOT NULL,
        request_bytes bigint NOT NULL,
        response_bytes bigint NOT NULL,
        cost_nano_usd bigint NOT NULL,
        received_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (started_at, edge_id, epoch, sequence)
      ) PARTITION BY RANGE (started_at);
      CREATE INDEX usage_records_by_time ON usage_records (started_at DESC, id DESC);
      CREATE INDEX usage_records_by_team ON usage_records (team_id, started_at DESC, id DESC);
      CREATE INDEX usage_records_by_id ON usage_records (id);

      -- Epochs are unsigned at the edge and stored by their bit pattern: they are compared for equality only.
      CREATE TABLE usage_watermarks (
        edge_id uuid NOT NULL,
        epoch bigint NOT NULL,
        sequence bigint NOT NULL CHECK (sequence >= 0),
        updated_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (edge_id, epoch)
      );

      CREATE TABLE usage_losses (
        edge_id uuid NOT NULL,
        epoch bigint NOT NULL,
        first_sequence bigint NOT NULL,
        last_sequence bigint NOT NULL CHECK (last_sequence >= first_sequence),
        noticed_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (edge_id, epoch, first_sequence)
      );

      CREATE TABLE usage_rejected (
        edge_id uuid NOT NULL,
        epoch bigint NOT NULL,
        sequence bigint NOT NULL,
        reason text NOT NULL,
        numbers jsonb NOT NULL,
        received_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (edge_id, epoch, sequence)
      );
      """)
}
