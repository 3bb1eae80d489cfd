-- Months are made ahead by Herald itself, which runs without DDL: this function is its only way,
-- and it knows a closed list of parents.
CREATE FUNCTION herald_make_partition(parent text, month date) RETURNS boolean
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
REVOKE ALL ON FUNCTION herald_make_partition(text, date) FROM PUBLIC;
