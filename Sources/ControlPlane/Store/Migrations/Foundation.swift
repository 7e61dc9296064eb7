// Who there is, what there is, and what changed: accounts, keys, regions, upstreams, offers, edges, the log of changes.

import Postgres

extension PostgresMigration {
  package static let foundation = PostgresMigration(
    number: 1, name: "foundation",
    sql: """
      CREATE TABLE installation (
        single boolean PRIMARY KEY DEFAULT true CHECK (single),
        lineage uuid NOT NULL,
        authority_certificate bytea NOT NULL,
        authority_key_sealed bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
      );

      CREATE TABLE accounts (
        id uuid PRIMARY KEY,
        name text NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 63),
        created_at timestamptz NOT NULL DEFAULT now()
      );

      CREATE TABLE teams (
        id uuid PRIMARY KEY,
        account_id uuid NOT NULL REFERENCES accounts,
        name text NOT NULL CHECK (length(name) BETWEEN 1 AND 63),
        suspended boolean NOT NULL DEFAULT false,
        created_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (account_id, name)
      );
      CREATE INDEX teams_by_name ON teams (name);

      CREATE TABLE keys (
        id uuid PRIMARY KEY,
        team_id uuid NOT NULL REFERENCES teams,
        public_id text NOT NULL UNIQUE CHECK (length(public_id) = 12),
        digest bytea NOT NULL UNIQUE CHECK (octet_length(digest) = 32),
        name text NOT NULL DEFAULT '',
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz,
        revoked_at timestamptz
      );
      CREATE INDEX keys_by_team ON keys (team_id);

      CREATE TABLE regions (
        name text PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 63),
        title text NOT NULL,
        jurisdiction text NOT NULL,
        country text NOT NULL CHECK (length(country) = 2),
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now()
      );

      CREATE TABLE upstreams (
        id uuid PRIMARY KEY,
        name text NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 63),
        region text NOT NULL REFERENCES regions,
        origin text NOT NULL,
        path_prefix text NOT NULL,
        protocol text NOT NULL CHECK (protocol IN ('http1', 'http2', 'negotiated')),
        credential_style text NOT NULL CHECK (credential_style IN ('none', 'bearer', 'api-key')),
        credential_sealed bytea,
        ca_pem text,
        created_at timestamptz NOT NULL DEFAULT now(),
        CHECK ((credential_style = 'none') = (credential_sealed IS NULL))
      );

      CREATE TABLE offers (
        id uuid PRIMARY KEY,
        upstream_id uuid NOT NULL REFERENCES upstreams,
        model text NOT NULL CHECK (length(model) BETWEEN 1 AND 200),
        upstream_model text NOT NULL CHECK (length(upstream_model) BETWEEN 1 AND 200),
        dialect smallint NOT NULL,
        weight integer NOT NULL CHECK (weight >= 0),
        created_at timestamptz NOT NULL DEFAULT now(),
        UNIQUE (model, upstream_id, dialect)
      );

      CREATE TABLE offer_prices (
        offer_id uuid NOT NULL REFERENCES offers,
        valid_from timestamptz NOT NULL,
        input_price bigint NOT NULL CHECK (input_price >= 0),
        cached_input_price bigint NOT NULL CHECK (cached_input_price >= 0),
        cache_write_price bigint NOT NULL CHECK (cache_write_price >= 0),
        output_price bigint NOT NULL CHECK (output_price >= 0),
        PRIMARY KEY (offer_id, valid_from)
      );

      CREATE TABLE edges (
        id uuid PRIMARY KEY,
        region text NOT NULL REFERENCES regions,
        base_url text NOT NULL,
        software_version text NOT NULL,
        enrolled_at timestamptz NOT NULL DEFAULT now(),
        certificate_expires_at timestamptz NOT NULL,
        evicted_at timestamptz,
        stream_id uuid,
        last_seen_at timestamptz,
        version bigint NOT NULL DEFAULT 0,
        refusal text,
        spooled_records bigint NOT NULL DEFAULT 0,
        lost_records bigint NOT NULL DEFAULT 0
      );

      CREATE TABLE join_tokens (
        digest bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
        region text NOT NULL REFERENCES regions,
        created_at timestamptz NOT NULL DEFAULT now(),
        expires_at timestamptz NOT NULL,
        used_at timestamptz,
        used_by uuid REFERENCES edges
      );

      CREATE TABLE operator_tokens (
        id uuid PRIMARY KEY,
        name text NOT NULL UNIQUE,
        digest bytea NOT NULL UNIQUE CHECK (octet_length(digest) = 32),
        created_at timestamptz NOT NULL DEFAULT now(),
        revoked_at timestamptz
      );

      -- One row, locked at the end of every change, so that versions are committed in the order of their numbers.
      CREATE TABLE configuration_state (
        single boolean PRIMARY KEY DEFAULT true CHECK (single),
        version bigint NOT NULL
      );
      INSERT INTO configuration_state (version) VALUES (1);

      CREATE TABLE configuration_versions (
        version bigint PRIMARY KEY,
        made_at timestamptz NOT NULL DEFAULT now()
      );
      INSERT INTO configuration_versions (version) VALUES (1);

      CREATE TABLE configuration_changes (
        version bigint NOT NULL REFERENCES configuration_versions,
        kind text NOT NULL CHECK (kind IN ('region', 'upstream', 'offer', 'team', 'key')),
        resource text NOT NULL,
        PRIMARY KEY (version, kind, resource)
      );

      CREATE TABLE audit_entries (
        id uuid PRIMARY KEY,
        made_at timestamptz NOT NULL DEFAULT now(),
        actor text NOT NULL,
        action text NOT NULL,
        subject text NOT NULL,
        version bigint REFERENCES configuration_versions
      );
      CREATE INDEX audit_entries_by_time ON audit_entries (made_at);
      """)
}
