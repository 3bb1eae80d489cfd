-- Slots of the caps that scheduled runs hold for their crowds before they are due.
CREATE TABLE cap_reserves (
  plan text COLLATE "C" NOT NULL,
  plan_version integer NOT NULL,
  occurrence text COLLATE "C" NOT NULL,
  made_at timestamptz NOT NULL,
  until timestamptz NOT NULL,
  -- Its rows below are gone.
  is_pruned boolean NOT NULL DEFAULT false,
  PRIMARY KEY (plan, plan_version, occurrence)
);

CREATE TABLE cap_reservations (
  user_id uuid NOT NULL,
  plan text COLLATE "C" NOT NULL,
  plan_version integer NOT NULL,
  occurrence text COLLATE "C" NOT NULL,
  priority smallint NOT NULL,
  channel text COLLATE "C" NOT NULL,
  category text COLLATE "C",
  due_at timestamptz NOT NULL,
  until timestamptz NOT NULL,
  PRIMARY KEY (user_id, plan, plan_version, occurrence)
);
CREATE INDEX cap_reservations_plan_idx ON cap_reservations (plan, plan_version, occurrence);

-- Asked for every few seconds.
CREATE INDEX plan_versions_reserving_idx ON plan_versions (plan, version)
  WHERE document #> '{pressure,reserve}' IS NOT NULL AND state IN ('approved', 'live');

-- The pace of a plan in operation, at most the approved one. NULL: as approved.
ALTER TABLE plans ADD COLUMN pace_per_second double precision
  CONSTRAINT plans_pace_positive CHECK (pace_per_second > 0);

-- What a provider takes of a sender in a day, and what it took.
ALTER TABLE senders ADD COLUMN quota_per_day bigint
  CONSTRAINT senders_quota_positive CHECK (quota_per_day > 0);
CREATE TABLE sender_days (
  sender text COLLATE "C" NOT NULL,
  day date NOT NULL,
  used bigint NOT NULL,
  PRIMARY KEY (sender, day)
) WITH (fillfactor = 50);
