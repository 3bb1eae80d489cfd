CREATE TABLE segments (
  key text COLLATE "C" PRIMARY KEY,
  name text NOT NULL,
  kind text NOT NULL,
  condition jsonb,
  refresh jsonb NOT NULL,
  -- A static list's content version: members carry the versions between which they belong.
  list_version bigint NOT NULL DEFAULT 0,
  size bigint,
  refreshed_at timestamptz,
  version bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  archived_at timestamptz,
  CONSTRAINT segments_key_form CHECK (key ~ '^[a-z0-9_-]{1,64}$'),
  CONSTRAINT segments_kind_known CHECK (kind IN ('rule', 'static')),
  CONSTRAINT segments_rule_has_condition CHECK ((kind = 'rule') = (condition IS NOT NULL))
);

-- Members of static lists. A member belongs to list version v when
-- from_version <= v AND (until_version IS NULL OR until_version > v), so that an approved plan
-- keeps the list its approver saw.
CREATE TABLE segment_members (
  segment text COLLATE "C" NOT NULL,
  user_id uuid NOT NULL,
  from_version bigint NOT NULL,
  until_version bigint,
  PRIMARY KEY (segment, user_id, from_version)
);
CREATE UNIQUE INDEX segment_members_current_idx ON segment_members (segment, user_id)
  WHERE until_version IS NULL;

CREATE TABLE templates (
  key text COLLATE "C" PRIMARY KEY,
  channel text NOT NULL,
  content jsonb NOT NULL,
  on_missing text NOT NULL,
  version bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  archived_at timestamptz,
  CONSTRAINT templates_key_form CHECK (key ~ '^[a-z0-9_-]{1,64}$'),
  CONSTRAINT templates_on_missing_known CHECK (on_missing IN ('default', 'skip', 'fail'))
);
