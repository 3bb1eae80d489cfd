-- How often people may be written to.
CREATE TABLE caps (
  key text COLLATE "C" PRIMARY KEY,
  document jsonb NOT NULL,
  version integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);

-- One marketing message that was handed over, or a coupon that was issued, at the instant that caps count.
-- Taken in the transaction that prepares the hand-over and given back when nothing went out. Kept under
-- the id the delivery was made for; who was merged since is read through user_aliases.
CREATE TABLE cap_uses (
  user_id uuid NOT NULL,
  at timestamptz NOT NULL,
  delivery_id uuid NOT NULL,
  link smallint NOT NULL,
  channel text COLLATE "C" NOT NULL,
  category text COLLATE "C",
  plan text COLLATE "C" NOT NULL,
  exclusion text COLLATE "C",
  PRIMARY KEY (user_id, at, delivery_id, link)
) PARTITION BY RANGE (at);
CREATE TABLE cap_uses_default PARTITION OF cap_uses DEFAULT;

CREATE OR REPLACE FUNCTION herald_make_partition(parent text, month date) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = public, pg_temp SET timezone = 'UTC' SET lock_timeout = '2s' AS $$
DECLARE
  first date := date_trunc('month', month)::date;
  next date := (date_trunc('month', month) + interval '1 month')::date;
  child text := parent || '_' || to_char(month, 'YYYYMM');
  partition_column text;
  storage text;
BEGIN
  SELECT c, s INTO partition_column, storage FROM (VALUES
    ('events', 'ts', ''), ('deliveries', 'entered_at', ' WITH (fillfactor = 50)'),
    ('attempts', 'entered_at', ''), ('receipts', 'at', ''),
    ('step_visits', 'entered_at', ' WITH (fillfactor = 70)'), ('cap_uses', 'at', '')
  ) AS known (p, c, s) WHERE p = parent;
  IF partition_column IS NULL THEN
    RAISE EXCEPTION 'no partitioned table %', parent;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('herald_make_partition'));
  IF to_regclass(child) IS NOT NULL THEN
    RETURN false;
  END IF;
  EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)%s',
    child, parent, storage);
  EXECUTE format(
    'WITH moved AS (DELETE FROM %I WHERE %I >= %L AND %I < %L RETURNING *)
     INSERT INTO %I SELECT * FROM moved',
    parent || '_default', partition_column, first::timestamptz, partition_column,
    next::timestamptz, child);
  EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
    parent, child, first::timestamptz, next::timestamptz);
  RETURN true;
END $$;

CREATE OR REPLACE FUNCTION herald_drop_partition(parent text, month date) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = public, pg_temp SET timezone = 'UTC' SET lock_timeout = '2s' AS $$
DECLARE
  first date := date_trunc('month', month)::date;
  child text := parent || '_' || to_char(month, 'YYYYMM');
BEGIN
  IF parent NOT IN ('events', 'deliveries', 'attempts', 'receipts', 'cap_uses') THEN
    RAISE EXCEPTION 'no partitioned table %', parent;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('herald_make_partition'));
  IF NOT EXISTS (SELECT FROM pg_inherits
      WHERE inhparent = to_regclass(parent) AND inhrelid = to_regclass(child)) THEN
    RETURN false;
  END IF;
  IF parent IN ('deliveries', 'attempts') THEN
    -- What may still change is not history.
    IF EXISTS (SELECT FROM runs r WHERE r.state IN ('entering', 'running')
        AND r.started_at < first + interval '1 month') THEN
      RETURN false;
    END IF;
    EXECUTE format('LOCK TABLE %I IN SHARE MODE', child);
  END IF;
  IF parent = 'deliveries' THEN
    EXECUTE format(
      'INSERT INTO sealed_deliveries (run_id, step_id, month, status, code, n)
       SELECT run_id, step_id, %L, status,
         CASE WHEN status = ''skipped'' THEN reason ELSE '''' END, count(*)
       FROM %I GROUP BY 1, 2, 4, 5', first, child);
  END IF;
  EXECUTE format('LOCK TABLE ONLY %I IN ACCESS EXCLUSIVE MODE', parent);
  EXECUTE format('DROP TABLE %I', child);
  RETURN true;
END $$;
