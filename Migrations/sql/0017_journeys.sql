-- Journeys: one person may be in one run several times, told apart by the entry key, and comes by
-- steps that send nothing.

-- A queue row is a piece of work of one enrolment: a timer before the first step ('entry'), a step
-- that sends nothing ('step'), or a delivery ('send', 'follow_up'). The first two have no row in
-- deliveries; their delivery_id is the id of the work alone.
ALTER TABLE queue ADD COLUMN entry_key text COLLATE "C" NOT NULL DEFAULT '';
-- Names of the events that may end the wait: when one arrives for its person, the row is due.
ALTER TABLE queue ADD COLUMN awaits text[] COLLATE "C";
ALTER TABLE queue DROP CONSTRAINT queue_phase_known;
ALTER TABLE queue ADD CONSTRAINT queue_phase_known
  CHECK (phase IN ('entry', 'step', 'send', 'follow_up'));
-- Only what waits for events, so that the others stay as cheap as they were.
CREATE INDEX queue_awaits_idx ON queue (user_id) WHERE awaits IS NOT NULL;

-- Events later than this happened after the entry: the instant of the event that made the person
-- enter, which may have been told later. NULL: entered_at.
ALTER TABLE enrolments ADD COLUMN since timestamptz;

-- Two entries of one person may be of one instant.
ALTER TABLE deliveries DROP CONSTRAINT deliveries_pkey;
ALTER TABLE deliveries ADD CONSTRAINT deliveries_pkey
  PRIMARY KEY (user_id, run_id, entry_key, step_id, occurrence, entered_at);

-- One person at one step that sends nothing. The counters of steps are counts of these rows.
CREATE TABLE step_visits (
  user_id uuid NOT NULL,
  run_id uuid NOT NULL,
  entry_key text COLLATE "C" NOT NULL DEFAULT '',
  step_id text COLLATE "C" NOT NULL,
  occurrence smallint NOT NULL DEFAULT 1,
  entered_at timestamptz NOT NULL,
  plan text COLLATE "C" NOT NULL,
  plan_version integer NOT NULL,
  kind text NOT NULL,
  arrived_at timestamptz NOT NULL,
  state text NOT NULL DEFAULT 'waiting',
  -- How it ended: which way was taken, or why it failed or the person left.
  outcome text,
  -- What decided, as it was seen.
  "values" jsonb,
  left_at timestamptz,
  PRIMARY KEY (user_id, run_id, entry_key, step_id, occurrence, entered_at),
  CONSTRAINT step_visits_state_known CHECK (state IN ('waiting', 'passed', 'failed', 'exited')),
  CONSTRAINT step_visits_left CHECK ((state = 'waiting') = (left_at IS NULL)),
  CONSTRAINT step_visits_outcome_given CHECK (state = 'waiting' OR outcome IS NOT NULL)
) PARTITION BY RANGE (entered_at);
CREATE INDEX step_visits_run_idx ON step_visits (run_id, step_id);
CREATE TABLE step_visits_default PARTITION OF step_visits DEFAULT WITH (fillfactor = 70);

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
    ('step_visits', 'entered_at', ' WITH (fillfactor = 70)')
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
