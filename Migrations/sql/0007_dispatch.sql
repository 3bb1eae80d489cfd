CREATE TABLE runs (
  id uuid PRIMARY KEY,
  plan text COLLATE "C" NOT NULL,
  plan_version integer NOT NULL,
  -- Which firing: 'once' for a crowd at an instant; unique per version, so that two launchers make one run.
  occurrence text COLLATE "C" NOT NULL,
  state text NOT NULL,
  state_reason text,
  targeted bigint NOT NULL DEFAULT 0,
  -- Lanes 0…63 whose people have all been decided on: bit i of the mask.
  entered_lanes bigint NOT NULL DEFAULT 0,
  started_at timestamptz NOT NULL,
  finished_at timestamptz,
  CONSTRAINT runs_occurrence_key UNIQUE (plan, plan_version, occurrence),
  CONSTRAINT runs_version_fkey
    FOREIGN KEY (plan, plan_version) REFERENCES plan_versions (plan, version),
  CONSTRAINT runs_state_known CHECK (state IN ('entering', 'running', 'completed', 'cancelled'))
);
CREATE INDEX runs_plan_idx ON runs (plan, started_at);

-- The frozen audience. Who has no enrolment yet is undecided and counts as active.
CREATE TABLE run_targets (
  run_id uuid NOT NULL,
  lane smallint NOT NULL,
  user_id uuid NOT NULL,
  PRIMARY KEY (run_id, lane, user_id)
);

-- One decision per person, run and entry. "Once" lives here.
CREATE TABLE enrolments (
  user_id uuid NOT NULL,
  run_id uuid NOT NULL,
  entry_key text COLLATE "C" NOT NULL DEFAULT '',
  entered_at timestamptz NOT NULL,
  plan text COLLATE "C" NOT NULL,
  plan_version integer NOT NULL,
  state text NOT NULL,
  reason text,
  holdout_bucket smallint,
  "values" jsonb,
  finished_at timestamptz,
  PRIMARY KEY (user_id, run_id, entry_key),
  CONSTRAINT enrolments_state_known
    CHECK (state IN ('held_out', 'skipped', 'active', 'finished', 'exited')),
  CONSTRAINT enrolments_reason_given CHECK (state NOT IN ('skipped', 'exited') OR reason IS NOT NULL)
) WITH (fillfactor = 50);
CREATE INDEX enrolments_run_idx ON enrolments (run_id);

-- The ledger: one send step of one user. No index on the status, and room on each page for a second
-- version of all its rows, since neighbours are settled together: updates stay heap-only.
CREATE TABLE deliveries (
  user_id uuid NOT NULL,
  run_id uuid NOT NULL,
  step_id text COLLATE "C" NOT NULL,
  occurrence smallint NOT NULL DEFAULT 1,
  entered_at timestamptz NOT NULL,
  entry_key text COLLATE "C" NOT NULL DEFAULT '',
  id uuid NOT NULL,
  plan text COLLATE "C" NOT NULL,
  plan_version integer NOT NULL,
  status text NOT NULL DEFAULT 'pending',
  -- Why it was skipped or failed, which gate decided, and what the gate saw.
  reason text,
  gate text,
  "values" jsonb,
  channel text,
  sender text,
  provider_id text,
  attempts smallint NOT NULL DEFAULT 0,
  possibly_duplicate boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL,
  settled_at timestamptz,
  PRIMARY KEY (user_id, run_id, step_id, occurrence, entered_at),
  CONSTRAINT deliveries_status_known
    CHECK (status IN ('pending', 'sent', 'failed', 'skipped', 'unknown')),
  CONSTRAINT deliveries_reason_given
    CHECK (status NOT IN ('skipped', 'failed', 'unknown') OR reason IS NOT NULL)
) PARTITION BY RANGE (entered_at);
CREATE INDEX deliveries_id_idx ON deliveries (id);
CREATE INDEX deliveries_run_idx ON deliveries (run_id, step_id);
CREATE TABLE deliveries_default PARTITION OF deliveries DEFAULT WITH (fillfactor = 50);

-- One hand-over to one sender. `content` is what was rendered at the first try: a retry sends the
-- same bytes under the same idempotency key.
CREATE TABLE attempts (
  user_id uuid NOT NULL,
  delivery_id uuid NOT NULL,
  -- Position in the chain, then the number of the try there.
  link smallint NOT NULL,
  try smallint NOT NULL,
  entered_at timestamptz NOT NULL,
  run_id uuid NOT NULL,
  channel text NOT NULL,
  sender text,
  status text NOT NULL,
  reason text,
  provider_id text,
  started_at timestamptz NOT NULL,
  finished_at timestamptz,
  PRIMARY KEY (user_id, delivery_id, link, try, entered_at),
  CONSTRAINT attempts_status_known
    CHECK (status IN ('sent', 'failed', 'retry', 'unknown', 'skipped'))
) PARTITION BY RANGE (entered_at);
CREATE INDEX attempts_run_idx ON attempts (run_id);
CREATE TABLE attempts_default PARTITION OF attempts DEFAULT;

-- Work to do, beside the ledger: a row lives from a delivery's creation to its settling. A claim
-- names one lane. `lease` is the fencing token: a settlement under another lease is refused.
CREATE TABLE queue (
  lane smallint NOT NULL,
  delivery_id uuid NOT NULL,
  due_at timestamptz NOT NULL,
  priority smallint NOT NULL DEFAULT 50,
  user_id uuid NOT NULL,
  run_id uuid NOT NULL,
  step_id text COLLATE "C" NOT NULL,
  occurrence smallint NOT NULL DEFAULT 1,
  entered_at timestamptz NOT NULL,
  plan text COLLATE "C" NOT NULL,
  plan_version integer NOT NULL,
  -- Where in the chain, and what happens when it comes due.
  link smallint NOT NULL DEFAULT 0,
  phase text NOT NULL DEFAULT 'send',
  -- When the step began for this person: `not_after` counts from here.
  step_entered_at timestamptz NOT NULL,
  -- Tries at this link that ended in 'retry'; claims are counted apart, to set poison rows aside.
  tries smallint NOT NULL DEFAULT 0,
  claims smallint NOT NULL DEFAULT 0,
  -- The sender and content of this link, fixed at its first try. The content is JSON as it was
  -- rendered: jsonb would give its members another order, and a resend must be the same bytes.
  sender text,
  content text,
  lease uuid,
  leased_until timestamptz,
  handed_over_at timestamptz,
  PRIMARY KEY (lane, delivery_id),
  CONSTRAINT queue_phase_known CHECK (phase IN ('send', 'follow_up'))
) WITH (fillfactor = 40);
-- In the order of claims, so that one reads no more rows than it takes.
CREATE INDEX queue_due_idx ON queue (lane, due_at, priority DESC);
CREATE INDEX queue_run_idx ON queue (run_id);

-- What providers say later; counted apart, never changes what was sent.
CREATE TABLE receipts (
  user_id uuid NOT NULL,
  delivery_id uuid NOT NULL,
  event text NOT NULL,
  at timestamptz NOT NULL,
  run_id uuid NOT NULL,
  step_id text COLLATE "C" NOT NULL,
  plan text COLLATE "C" NOT NULL,
  channel text NOT NULL,
  sender text NOT NULL,
  received_at timestamptz NOT NULL,
  PRIMARY KEY (user_id, delivery_id, event, at),
  CONSTRAINT receipts_event_known CHECK (event IN
    ('delivered', 'opened', 'clicked', 'bounced', 'unsubscribed', 'uninstalled'))
) PARTITION BY RANGE (at);
CREATE INDEX receipts_delivery_idx ON receipts (delivery_id);
CREATE INDEX receipts_run_idx ON receipts (run_id, step_id, event);
CREATE TABLE receipts_default PARTITION OF receipts DEFAULT;
