-- Identity resolution: merges that can be undone, conflicts for a person to settle, attributes with
-- merge rules.

-- Of merged people: the user a row was written for, or would have been, had there been no merge.
-- NULL stands for user_id itself. What leaves in an undo is told by this.
ALTER TABLE identities ADD COLUMN origin uuid;
ALTER TABLE events ADD COLUMN origin uuid;
ALTER TABLE segment_members ADD COLUMN origin uuid;
CREATE INDEX segment_members_user_idx ON segment_members (user_id);

-- When each attribute was written, in microseconds since 1970; one that is missing came with the user.
ALTER TABLE users ADD COLUMN attribute_times jsonb;

-- The times of what differs are now, of what is gone are dropped.
CREATE FUNCTION herald_attribute_times(times jsonb, old jsonb, new jsonb, at timestamptz)
  RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN CASE WHEN old = new THEN times ELSE nullif(
    (SELECT coalesce(jsonb_object_agg(t.key, t.value), '{}') FROM jsonb_each(times) AS t
      WHERE new ? t.key)
    || (SELECT coalesce(
        jsonb_object_agg(n.key, (extract(epoch FROM at) * 1000000)::bigint), '{}')
      FROM jsonb_each(new) AS n WHERE old -> n.key IS DISTINCT FROM n.value), '{}') END;

-- Its events are still on their way to the user that stands for it: both ids are read.
ALTER TABLE user_aliases ADD COLUMN moving boolean NOT NULL DEFAULT false;
CREATE INDEX user_aliases_moving_idx ON user_aliases (user_id, alias_id) WHERE moving;

-- merged_id became a part of survivor_id. The standing rows of a person form a tree whose root is
-- the user that stands for all; an undo cuts off the branch of merged_id.
CREATE TABLE user_merges (
  id uuid PRIMARY KEY,
  survivor_id uuid NOT NULL,
  merged_id uuid NOT NULL,
  state text NOT NULL,
  reason text NOT NULL,
  merged_by text NOT NULL,
  merged_at timestamptz NOT NULL,
  undone_by text,
  undone_at timestamptz,
  -- Whose events are gone through in the background, and where that has come to.
  moving_from uuid,
  moved_events bigint NOT NULL DEFAULT 0,
  moved_name text COLLATE "C",
  moved_ts timestamptz,
  moved_event uuid,
  CONSTRAINT user_merges_state_known CHECK (state IN ('moving', 'merged', 'undoing', 'undone')),
  CONSTRAINT user_merges_reason_known CHECK (reason IN ('identity', 'request', 'conflict'))
) WITH (fillfactor = 85);
CREATE UNIQUE INDEX user_merges_standing_key ON user_merges (merged_id)
  WHERE state IN ('moving', 'merged');
CREATE INDEX user_merges_survivor_idx ON user_merges (survivor_id);
CREATE INDEX user_merges_merged_idx ON user_merges (merged_id);
CREATE INDEX user_merges_unfinished_idx ON user_merges (id) WHERE state IN ('moving', 'undoing');

-- Of a merged person, what is known by each of the users they were: as it was at the merge, and what
-- was written since by their identities. Users who were never merged have none.
CREATE TABLE user_parts (
  user_id uuid NOT NULL,
  origin uuid NOT NULL,
  facts jsonb NOT NULL,
  PRIMARY KEY (user_id, origin)
);

-- Pairs of users that a person has told apart; never merged by themselves. one_id < other_id.
CREATE TABLE user_separations (
  one_id uuid NOT NULL,
  other_id uuid NOT NULL,
  separated_by text NOT NULL,
  separated_at timestamptz NOT NULL,
  PRIMARY KEY (one_id, other_id),
  CONSTRAINT user_separations_ordered CHECK (one_id < other_id)
);
CREATE INDEX user_separations_other_idx ON user_separations (other_id);

-- Identities that came together and belong to users who cannot be merged by rule. one_id < other_id.
CREATE TABLE identity_conflicts (
  id uuid PRIMARY KEY,
  one_id uuid NOT NULL,
  other_id uuid NOT NULL,
  state text NOT NULL,
  kind text COLLATE "C" NOT NULL,
  identities jsonb NOT NULL,
  seen bigint NOT NULL DEFAULT 1,
  opened_at timestamptz NOT NULL,
  last_seen_at timestamptz NOT NULL,
  resolved_by text,
  resolved_at timestamptz,
  comment text,
  CONSTRAINT identity_conflicts_state_known CHECK (state IN ('open', 'merged', 'kept_apart')),
  CONSTRAINT identity_conflicts_ordered CHECK (one_id < other_id)
);
CREATE UNIQUE INDEX identity_conflicts_open_key ON identity_conflicts (one_id, other_id)
  WHERE state = 'open';
CREATE INDEX identity_conflicts_other_idx ON identity_conflicts (other_id) WHERE state = 'open';

-- Declared attributes. One that is not declared is of any type and merges by 'newest'.
CREATE TABLE attributes (
  key text COLLATE "C" PRIMARY KEY,
  type text,
  merge text NOT NULL,
  version bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  CONSTRAINT attributes_type_known CHECK (type IN
    ('string', 'number', 'integer', 'boolean', 'array', 'object', 'date', 'instant')),
  CONSTRAINT attributes_merge_known CHECK (merge IN
    ('newest', 'oldest', 'max', 'min', 'sum', 'union', 'survivor'))
);

ALTER TABLE identity_kinds ADD COLUMN version bigint NOT NULL DEFAULT 1;
ALTER TABLE identity_kinds ADD COLUMN built_in boolean NOT NULL DEFAULT false;
UPDATE identity_kinds SET built_in = true;
