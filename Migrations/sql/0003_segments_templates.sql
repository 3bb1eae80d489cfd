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

-- The zones conditions may count in. A user's zone that is not among them counts as none: AT TIME
-- ZONE raises on a name it does not know, and one odd row must not spoil a segment.
CREATE TABLE time_zones (
  name text COLLATE "C" PRIMARY KEY
);
INSERT INTO time_zones (name)
  SELECT DISTINCT name FROM pg_timezone_names
  WHERE (name LIKE '%/%' OR name = 'UTC') AND name NOT LIKE 'posix/%' AND name NOT LIKE 'right/%';

-- The day that exactly `2026-02-28` says; NULL for anything else and for days that do not exist,
-- the year 0000 among them.
CREATE FUNCTION herald_day(value text) RETURNS date
  LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  year integer;
  month integer;
  day integer;
BEGIN
  IF value !~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' THEN
    RETURN NULL;
  END IF;
  year := substr(value, 1, 4)::integer;
  month := substr(value, 6, 2)::integer;
  day := substr(value, 9, 2)::integer;
  IF year = 0 OR month NOT BETWEEN 1 AND 12 OR day < 1 OR day > (CASE
      WHEN month IN (4, 6, 9, 11) THEN 30
      WHEN month <> 2 THEN 31
      WHEN year % 4 = 0 AND (year % 100 <> 0 OR year % 400 = 0) THEN 29
      ELSE 28
    END)
  THEN
    RETURN NULL;
  END IF;
  RETURN make_date(year, month, day);
END $$;

-- The moment a text says: an instant of RFC 3339, or a day, which stands for its midnight in the
-- zone. NULL for anything else; never raises. The same as `Date(rfc3339:)` and `Moment` in Swift.
CREATE FUNCTION herald_moment(value text, zone text) RETURNS timestamptz
  LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  part text[];
  day date;
  instant timestamptz;
BEGIN
  IF length(value) = 10 THEN
    RETURN herald_day(value)::timestamp AT TIME ZONE zone;
  END IF;
  IF length(value) NOT BETWEEN 20 AND 64 THEN
    RETURN NULL;
  END IF;
  part := regexp_match(value, '^([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})'
    '(?:[.]([0-9]+))?(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))$');
  day := herald_day(part[1]);
  IF day IS NULL OR part[2] > '23' OR part[3] > '59' OR part[4] > '60'
    OR part[7] > '23' OR part[8] > '59'
  THEN
    RETURN NULL;
  END IF;
  instant := (day::timestamp AT TIME ZONE 'UTC') + make_interval(
    hours => part[2]::integer, mins => part[3]::integer, secs => part[4]::integer);
  IF part[6] IS NOT NULL THEN
    instant := instant - make_interval(
      hours => part[7]::integer, mins => part[8]::integer) * (part[6] || '1')::integer;
  END IF;
  -- A leap second is the last of a UTC day and reads as the midnight that follows.
  IF part[4] = '60' THEN
    RETURN CASE WHEN extract(epoch FROM instant)::bigint % 86400 = 0 THEN instant END;
  END IF;
  RETURN instant + make_interval(secs => coalesce(('0.' || left(part[5], 9))::float8, 0));
END $$;

-- Whether a text falls on the target's month and day: a day, a month and day (`02-29`), or an
-- instant in the zone. 29 February is 1 March when the target's year is a common one.
CREATE FUNCTION herald_matches_day(value text, zone text, target date) RETURNS boolean
  LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
  day date := CASE length(value)
    WHEN 5 THEN herald_day('2000-' || value)
    WHEN 10 THEN herald_day(value)
    ELSE (herald_moment(value, zone) AT TIME ZONE zone)::date
  END;
BEGIN
  IF to_char(day, 'MMDD') = '0229'
    AND to_char(date_trunc('year', target) + interval '59 days', 'MMDD') = '0301'
  THEN
    RETURN to_char(target, 'MMDD') = '0301';
  END IF;
  RETURN coalesce(to_char(day, 'MMDD') = to_char(target, 'MMDD'), false);
END $$;
