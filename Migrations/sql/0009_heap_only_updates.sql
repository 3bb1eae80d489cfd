-- Nearly every row of these tables is updated within moments of its neighbours: a page needs room
-- for a second version of each of its rows, or the update leaves the page and writes to every index
-- again. At 85, four updates of five did.
ALTER TABLE enrolments SET (fillfactor = 50);
ALTER TABLE queue SET (fillfactor = 40);
ALTER TABLE attempts_default SET (fillfactor = 100);
DO $$ DECLARE child regclass; BEGIN
  FOR child IN SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'deliveries'::regclass
  LOOP
    EXECUTE format('ALTER TABLE %s SET (fillfactor = 50)', child);
  END LOOP;
END $$;

CREATE OR REPLACE FUNCTION herald_make_partition(parent text, month date) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
  first date := date_trunc('month', month)::date;
  next date := (date_trunc('month', month) + interval '1 month')::date;
  child text := parent || '_' || to_char(month, 'YYYYMM');
  partition_column text;
  storage text;
BEGIN
  SELECT c, s INTO partition_column, storage FROM (VALUES
    ('events', 'ts', ''), ('deliveries', 'entered_at', ' WITH (fillfactor = 50)'),
    ('attempts', 'entered_at', ''), ('receipts', 'at', '')
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
