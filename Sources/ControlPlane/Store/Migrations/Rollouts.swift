// What every version changed and from what, and how far each version has come.

import Postgres

extension PostgresMigration {
  package static let rollouts = PostgresMigration(
    number: 3, name: "rollouts",
    sql: """
      -- What a row was before its first change in a transaction. When the transaction numbers its version, the content
      -- moves to the log of changes. Nothing is kept for a new row: it was not there before.
      CREATE TABLE resources_before (
        transaction xid8 NOT NULL,
        kind text NOT NULL,
        resource text NOT NULL,
        content jsonb NOT NULL,
        PRIMARY KEY (transaction, kind, resource)
      );

      CREATE FUNCTION keep_before() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        INSERT INTO resources_before (transaction, kind, resource, content)
        SELECT pg_current_xact_id(), TG_ARGV[0], to_jsonb(old_row) ->> TG_ARGV[1], to_jsonb(old_row)
        FROM old_rows AS old_row
        ON CONFLICT DO NOTHING;
        RETURN NULL;
      END $$;

      CREATE TRIGGER keep_updated AFTER UPDATE ON regions REFERENCING OLD TABLE AS old_rows
        FOR EACH STATEMENT EXECUTE FUNCTION keep_before('region', 'name');
      CREATE TRIGGER keep_deleted AFTER DELETE ON regions REFERENCING OLD TABLE AS old_rows
        FOR EACH STATEMENT EXECUTE FUNCTION keep_before('region', 'name');
      CREATE TRIGGER keep_updated AFTER UPDATE ON upstreams REFERENCING OLD TABLE AS old_rows
        FOR EACH STATEMENT EXECUTE FUNCTION keep_before('upstream', 'id');
      CREATE TRIGGER keep_deleted AFTER DELETE ON upstreams REFERENCING OLD TABLE AS old_rows
        FOR EACH STATEMENT EXECUTE FUNCTION keep_before('upstream', 'id');
      CREATE TRIGGER keep_updated AFTER UPDATE ON offers REFERENCING OLD TABLE AS old_rows
        FOR EACH STATEMENT EXECUTE FUNCTION keep_before('offer', 'id');
      CREATE TRIGGER keep_deleted AFTER DELETE ON offers REFERENCING OLD TABLE AS old_rows
        FOR EACH STATEMENT EXECUTE FUNCTION keep_before('offer', 'id');
      CREATE TRIGGER keep_updated AFTER UPDATE ON teams REFERENCING OLD TABLE AS old_rows
        FOR EACH STATEMENT EXECUTE FUNCTION keep_before('team', 'id');
      CREATE TRIGGER keep_deleted AFTER DELETE ON teams REFERENCING OLD TABLE AS old_rows
        FOR EACH STATEMENT EXECUTE FUNCTION keep_before('team', 'id');
      CREATE TRIGGER keep_updated AFTER UPDATE ON keys REFERENCING OLD TABLE AS old_rows
        FOR EACH STATEMENT EXECUTE FUNCTION keep_before('key', 'id');
      CREATE TRIGGER keep_deleted AFTER DELETE ON keys REFERENCING OLD TABLE AS old_rows
        FOR EACH STATEMENT EXECUTE FUNCTION keep_before('key', 'id');

      -- Credentials are in it as they are in the row: sealed.
      ALTER TABLE configuration_changes ADD COLUMN before jsonb;
      CREATE INDEX configuration_changes_by_resource ON configuration_changes (kind, resource, version);
      CREATE INDEX audit_entries_by_version ON audit_entries (version) WHERE version IS NOT NULL;

      -- How carefully a version goes out: at once, by steps as fast as edges answer, or by steps that are watched.
      ALTER TABLE configuration_versions
        ADD COLUMN pace text NOT NULL DEFAULT 'watched' CHECK (pace IN ('at_once', 'quick', 'watched')),
        ADD COLUMN restores bigint;

      -- everywhere: the last version that every edge may have. known_from: what came before cannot be shown.
      ALTER TABLE configuration_state ADD COLUMN everywhere bigint, ADD COLUMN known_from bigint;
      UPDATE configuration_state SET everywhere = version, known_from = version;
      ALTER TABLE configuration_state ALTER COLUMN everywhere SET NOT NULL, ALTER COLUMN known_from SET NOT NULL;

      CREATE FUNCTION resource_now(kind text, resource text) RETURNS jsonb LANGUAGE sql STABLE AS $$
        SELECT CASE $1
          WHEN 'region' THEN (SELECT to_jsonb(present) FROM regions AS present WHERE name = $2)
          WHEN 'upstream' THEN (SELECT to_jsonb(present) FROM upstreams AS present WHERE id = $2::uuid)
          WHEN 'offer' THEN (SELECT to_jsonb(present) FROM offers AS present WHERE id = $2::uuid)
          WHEN 'team' THEN (SELECT to_jsonb(present) FROM teams AS present WHERE id = $2::uuid)
          WHEN 'key' THEN (SELECT to_jsonb(present) FROM keys AS present WHERE id = $2::uuid)
        END
      $$;

      -- A resource as it was when `version` was the newest: what the first change after it replaced, or what is there.
      CREATE FUNCTION resource_at(kind text, resource text, version bigint) RETURNS jsonb LANGUAGE sql STABLE AS $$
        SELECT CASE WHEN EXISTS (
          SELECT FROM configuration_changes AS later WHERE later.kind = $1 AND later.resource = $2 AND later.version > $3
        ) THEN (
          SELECT later.before FROM configuration_changes AS later
          WHERE later.kind = $1 AND later.resource = $2 AND later.version > $3 ORDER BY later.version LIMIT 1
        ) ELSE resource_now($1, $2) END
      $$;

      -- The tables as they were at a version. A column that is younger than what was kept has today's value.
      CREATE FUNCTION regions_at(at bigint) RETURNS SETOF regions LANGUAGE sql STABLE AS $$
        SELECT present.* FROM regions AS present WHERE NOT EXISTS (
          SELECT FROM configuration_changes WHERE kind = 'region' AND resource = present.name AND version > $1)
        UNION ALL
        SELECT past.* FROM (
          SELECT DISTINCT ON (resource) resource, before FROM configuration_changes
          WHERE kind = 'region' AND version > $1 ORDER BY resource, version
        ) AS later CROSS JOIN LATERAL jsonb_populate_record(
          (SELECT present FROM regions AS present WHERE present.name = later.resource), later.before) AS past
        WHERE later.before IS NOT NULL
      $$;
      CREATE FUNCTION upstreams_at(at bigint) RETURNS SETOF upstreams LANGUAGE sql STABLE AS $$
        SELECT present.* FROM upstreams AS present WHERE NOT EXISTS (
          SELECT FROM configuration_changes WHERE kind = 'upstream' AND resource = present.id::text AND version > $1)
        UNION ALL
        SELECT past.* FROM (
          SELECT DISTINCT ON (resource) resource, before FROM configuration_changes
          WHERE kind = 'upstream' AND version > $1 ORDER BY resource, version
        ) AS later CROSS JOIN LATERAL jsonb_populate_record(
          (SELECT present FROM upstreams AS present WHERE present.id = later.resource::uuid), later.before) AS past
        WHERE later.before IS NOT NULL
      $$;
      CREATE FUNCTION offers_at(at bigint) RETURNS SETOF offers LANGUAGE sql STABLE AS $$
        SELECT present.* FROM offers AS present WHERE NOT EXISTS (
          SELECT FROM configuration_changes WHERE kind = 'offer' AND resource = present.id::text AND version > $1)
        UNION ALL
        SELECT past.* FROM (
          SELECT DISTINCT ON (resource) resource, before FROM configuration_changes
          WHERE kind = 'offer' AND version > $1 ORDER BY resource, version
        ) AS later CROSS JOIN LATERAL jsonb_populate_record(
          (SELECT present FROM offers AS present WHERE present.id = later.resource::uuid), later.before) AS past
        WHERE later.before IS NOT NULL
      $$;
      CREATE FUNCTION teams_at(at bigint) RETURNS SETOF teams LANGUAGE sql STABLE AS $$
        SELECT present.* FROM teams AS present WHERE NOT EXISTS (
          SELECT FROM configuration_changes WHERE kind = 'team' AND resource = present.id::text AND version > $1)
        UNION ALL
        SELECT past.* FROM (
          SELECT DISTINCT ON (resource) resource, before FROM configuration_changes
          WHERE kind = 'team' AND version > $1 ORDER BY resource, version
        ) AS later CROSS JOIN LATERAL jsonb_populate_record(
          (SELECT present FROM teams AS present WHERE present.id = later.resource::uuid), later.before) AS past
        WHERE later.before IS NOT NULL
      $$;
      CREATE FUNCTION keys_at(at bigint) RETURNS SETOF keys LANGUAGE sql STABLE AS $$
        SELECT present.* FROM keys AS present WHERE NOT EXISTS (
          SELECT FROM configuration_changes WHERE kind = 'key' AND resource = present.id::text AND version > $1)
        UNION ALL
        SELECT past.* FROM (
          SELECT DISTINCT ON (resource) resource, before FROM configuration_changes
          WHERE kind = 'key' AND version > $1 ORDER BY resource, version
        ) AS later CROSS JOIN LATERAL jsonb_populate_record(
          (SELECT present FROM keys AS present WHERE present.id = later.resource::uuid), later.before) AS past
        WHERE later.before IS NOT NULL
      $$;

      -- Puts a row back as it was kept, whatever columns the table has.
      CREATE FUNCTION restore_row(place regclass, key text, content jsonb) RETURNS void LANGUAGE plpgsql AS $$
      DECLARE
        columns text := (
          SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
          WHERE attrelid = place AND attnum > 0 AND NOT attisdropped);
        found_rows bigint;
      BEGIN
        EXECUTE format(
          'UPDATE %1$s AS present SET (%2$s) = (SELECT %2$s FROM jsonb_populate_record(present, $1)) '
            || 'WHERE present.%3$I::text = $1 ->> %4$L', place, columns, key, key) USING content;
        GET DIAGNOSTICS found_rows = ROW_COUNT;
        IF found_rows = 0 THEN
          EXECUTE format('INSERT INTO %1$s SELECT * FROM jsonb_populate_record(NULL::%1$s, $1)', place) USING content;
        END IF;
      END $$;

      -- Prices outlive the offer: a record that comes late is still charged, and a rollback may bring the offer back.
      ALTER TABLE offer_prices DROP CONSTRAINT offer_prices_offer_id_fkey;

      CREATE TABLE rollouts (
        number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        base bigint NOT NULL,
        target bigint NOT NULL CHECK (target > base),
        pace text NOT NULL CHECK (pace IN ('at_once', 'quick', 'watched')),
        state text NOT NULL DEFAULT 'running'
          CHECK (state IN ('running', 'halted', 'done', 'rolled_back', 'superseded')),
        stage text NOT NULL CHECK (stage IN ('canary', 'region', 'fleet')),
        canary uuid,
        region text,
        -- Edges that went away while they tried it.
        lost integer NOT NULL DEFAULT 0,
        reason text,
        rolled_back_by bigint,
        began_at timestamptz NOT NULL DEFAULT now(),
        stage_began_at timestamptz NOT NULL DEFAULT now(),
        ended_at timestamptz,
        CHECK (stage = 'fleet' OR canary IS NOT NULL AND region IS NOT NULL)
      );
      CREATE UNIQUE INDEX rollouts_one_open ON rollouts ((true)) WHERE state IN ('running', 'halted');

      -- The edges whose answers the stage waits for, and their counts when it began.
      CREATE TABLE rollout_edges (
        rollout bigint NOT NULL REFERENCES rollouts ON DELETE CASCADE,
        edge uuid NOT NULL REFERENCES edges,
        ended bigint NOT NULL,
        failed bigint NOT NULL,
        -- Of the time before the stage.
        earlier_ended bigint NOT NULL,
        earlier_failed bigint NOT NULL,
        PRIMARY KEY (rollout, edge)
      );

      ALTER TABLE edges
        ADD COLUMN refused_version bigint,
        ADD COLUMN acknowledged_at timestamptz,
        ADD COLUMN ended_exchanges bigint NOT NULL DEFAULT 0,
        ADD COLUMN failed_exchanges bigint NOT NULL DEFAULT 0,
        ADD COLUMN reported_at timestamptz,
        -- The same counts up to a minute ago, so that a rise shows against the recent past and not against all time.
        ADD COLUMN earlier_ended_exchanges bigint NOT NULL DEFAULT 0,
        ADD COLUMN earlier_failed_exchanges bigint NOT NULL DEFAULT 0,
        ADD COLUMN earlier_at timestamptz;
      """)
}
