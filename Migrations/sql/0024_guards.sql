-- Plans that Herald pauses by itself, and what it sees of them while they run.

-- Hand-overs that came to an end, by plan and minute, written in the transaction that settles them.
-- For rates only, and forgotten after some hours: accounts are counts of deliveries.
CREATE TABLE attempt_minutes (
  plan text COLLATE "C" NOT NULL,
  minute timestamptz NOT NULL,
  -- A few rows for each, so that workers do not wait for each other.
  shard smallint NOT NULL,
  outcome text NOT NULL,
  n bigint NOT NULL,
  PRIMARY KEY (plan, minute, shard, outcome),
  CONSTRAINT attempt_minutes_outcome_known CHECK (outcome IN ('sent', 'failed', 'unknown', 'retry'))
) WITH (fillfactor = 50);

-- Each time Herald paused a plan by itself.
CREATE TABLE plan_pauses (
  plan text COLLATE "C" NOT NULL,
  plan_version integer NOT NULL,
  at timestamptz NOT NULL,
  reason text NOT NULL,
  -- In a sentence.
  detail text NOT NULL,
  -- What was seen, and the limit.
  "values" jsonb NOT NULL,
  in_flight integer NOT NULL,
  -- When and by whom the plan went on, was cancelled or got a new version.
  ended_at timestamptz,
  ended_by text,
  PRIMARY KEY (plan, at),
  CONSTRAINT plan_pauses_version_fkey
    FOREIGN KEY (plan, plan_version) REFERENCES plan_versions (plan, version),
  CONSTRAINT plan_pauses_reason_known
    CHECK (reason IN ('audience_growth', 'error_rate', 'unsubscribe_rate'))
);
CREATE UNIQUE INDEX plan_pauses_open_key ON plan_pauses (plan) WHERE ended_at IS NULL;

-- The size of a crowd that somebody who may approve has agreed to since the approval.
ALTER TABLE plan_versions ADD COLUMN accepted_people bigint;
-- Rates count from here: what made Herald pause the plan does not do so again after a resumption.
ALTER TABLE plans ADD COLUMN guarded_from timestamptz;
