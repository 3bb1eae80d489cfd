-- Triggers: schedules that come round, scenes, segments counted anew on their cron.

ALTER TABLE segments ADD COLUMN next_refresh_at timestamptz;
UPDATE segments SET next_refresh_at = now() WHERE refresh ? 'cron' AND archived_at IS NULL;
CREATE INDEX segments_next_refresh_idx ON segments (next_refresh_at)
  WHERE next_refresh_at IS NOT NULL;

-- One row per occurrence of a segment's schedule that was carried out.
CREATE TABLE segment_refreshes (
  segment text COLLATE "C" NOT NULL,
  due_at timestamptz NOT NULL,
  refreshed_at timestamptz NOT NULL,
  size bigint NOT NULL,
  PRIMARY KEY (segment, due_at)
);

-- When Herald next has to look at a live plan that runs again and again: for its next occurrence,
-- or its end. Occurrences up to `looked_at` are dealt with.
CREATE TABLE plan_schedules (
  plan text COLLATE "C" NOT NULL,
  plan_version integer NOT NULL,
  looked_at timestamptz NOT NULL,
  due_at timestamptz NOT NULL,
  PRIMARY KEY (plan, plan_version),
  CONSTRAINT plan_schedules_version_fkey
    FOREIGN KEY (plan, plan_version) REFERENCES plan_versions (plan, version)
);
CREATE INDEX plan_schedules_due_idx ON plan_schedules (due_at);
-- Which zones are in use is asked for every minute.
CREATE INDEX users_time_zone_idx ON users (time_zone);

-- What everybody who enters this run brings along: the scene that set it off.
ALTER TABLE runs ADD COLUMN entry_values jsonb;
-- The run of a day takes people in until then; NULL: nobody but its frozen crowd.
ALTER TABLE runs ADD COLUMN open_until timestamptz;

-- What happened to the world, without a user.
CREATE TABLE scenes (
  id uuid PRIMARY KEY,
  name text COLLATE "C" NOT NULL,
  ts timestamptz NOT NULL,
  properties jsonb NOT NULL,
  message_id text COLLATE "C",
  received_at timestamptz NOT NULL,
  -- When the plans that wait for it were launched; NULL: not yet.
  matched_at timestamptz,
  CONSTRAINT scenes_message_id_key UNIQUE (message_id),
  CONSTRAINT scenes_properties_object CHECK (jsonb_typeof(properties) = 'object')
);
CREATE INDEX scenes_unmatched_idx ON scenes (received_at) WHERE matched_at IS NULL;
