-- What housekeeping does once in a while, by whichever process comes first.
CREATE TABLE chores (
  chore text PRIMARY KEY,
  done_at timestamptz NOT NULL
);

-- The accounting of deliveries whose month was dropped, sealed in the transaction that drops it.
CREATE TABLE sealed_deliveries (
  run_id uuid NOT NULL,
  step_id text COLLATE "C" NOT NULL,
  month date NOT NULL,
  status text NOT NULL,
  -- Of skipped ones; '' for all others.
  code text COLLATE "C" NOT NULL,
  n bigint NOT NULL,
  PRIMARY KEY (run_id, step_id, month, status, code)
);

-- Old months go whole. The runtime role may drop no table: this function is its only way, and it knows
-- the same closed list as herald_make_partition. It gives up rather than make others wait: whoever asks
-- for the table while it waits for its lock waits behind it.
CREATE FUNCTION herald_drop_partition(parent text, month date) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = public, pg_temp SET timezone = 'UTC' SET lock_timeout = '2s' AS $$
DECLARE
  first date := date_trunc('month', month)::date;
  child text := parent || '_' || to_char(month, 'YYYYMM');
BEGIN
  IF parent NOT IN ('events', 'deliveries', 'attempts', 'receipts') THEN
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
REVOKE ALL ON FUNCTION herald_drop_partition(text, date) FROM PUBLIC;

-- Making one waits for the default partition, where rows may be on their way in.
ALTER FUNCTION herald_make_partition(text, date) SET lock_timeout = '2s';
