CREATE TABLE plans (
  key text COLLATE "C" PRIMARY KEY,
  name text NOT NULL,
  -- At most one of each; both name rows of plan_versions.
  draft_version integer,
  live_version integer,
  -- Pausing stops every version; the live one also says so in its state.
  paused boolean NOT NULL DEFAULT false,
  version bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  archived_at timestamptz,
  CONSTRAINT plans_key_form CHECK (key ~ '^[a-z0-9_-]{1,64}$')
);

CREATE TABLE plan_versions (
  plan text COLLATE "C" NOT NULL,
  version integer NOT NULL,
  document jsonb NOT NULL,
  -- 'sha256:…' of the canonical document
  hash text NOT NULL,
  state text NOT NULL,
  state_reason text,
  -- Frozen at submission: everything the plan uses, as the approver saw it. Dispatch reads
  -- templates, conditions and coupons from here and nowhere else.
  manifest jsonb,
  manifest_hash text,
  author text NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  -- When an approved crowd plan is launched; NULL once launched or for other triggers.
  launch_at timestamptz,
  live_at timestamptz,
  PRIMARY KEY (plan, version),
  CONSTRAINT plan_versions_plan_fkey FOREIGN KEY (plan) REFERENCES plans (key),
  CONSTRAINT plan_versions_state_known CHECK (state IN ('draft', 'pending_approval', 'approved',
    'live', 'paused', 'completed', 'cancelled', 'rejected', 'superseded')),
  CONSTRAINT plan_versions_manifest_hashed CHECK ((manifest IS NULL) = (manifest_hash IS NULL))
);
CREATE INDEX plan_versions_launch_idx ON plan_versions (launch_at) WHERE launch_at IS NOT NULL;

-- Who had a hand in a version: barred from approving it.
CREATE TABLE plan_edits (
  plan text COLLATE "C" NOT NULL,
  version integer NOT NULL,
  principal text COLLATE "C" NOT NULL,
  key_id uuid NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (plan, version, principal, key_id)
);

CREATE TABLE approvals (
  id uuid PRIMARY KEY,
  plan text COLLATE "C" NOT NULL,
  version integer NOT NULL,
  hash text NOT NULL,
  manifest jsonb NOT NULL,
  dry_run jsonb NOT NULL,
  diff jsonb NOT NULL,
  comment text,
  state text NOT NULL,
  submitted_by text NOT NULL,
  submitted_key uuid NOT NULL,
  submitted_at timestamptz NOT NULL,
  decided_by text,
  decided_key uuid,
  decided_at timestamptz,
  decision_comment text,
  CONSTRAINT approvals_version_fkey
    FOREIGN KEY (plan, version) REFERENCES plan_versions (plan, version),
  CONSTRAINT approvals_state_known
    CHECK (state IN ('pending', 'approved', 'rejected', 'superseded'))
);
CREATE UNIQUE INDEX approvals_pending_key ON approvals (plan) WHERE state = 'pending';
CREATE INDEX approvals_submitted_at_idx ON approvals (submitted_at, id);

-- Moves whenever what may be sent changes; ingestion and dispatch check their caches against it.
CREATE TABLE plans_epoch (
  id boolean PRIMARY KEY DEFAULT true CHECK (id),
  epoch bigint NOT NULL
);
INSERT INTO plans_epoch VALUES (true, 1);

-- The kill switch: 'all' or 'channel:push'. A row means stopped.
CREATE TABLE stops (
  scope text COLLATE "C" PRIMARY KEY,
  stopped_by text NOT NULL,
  reason text,
  at timestamptz NOT NULL
);
