-- The proof of an erasure: what was done where, and a digest over it that the audit repeats. It says
-- nothing of the person but the id their counted rows stay under.
CREATE TABLE erasures (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL,
  -- The user and the ids once merged into it.
  user_ids uuid[] NOT NULL,
  state text NOT NULL,
  requested_by text NOT NULL,
  requested_at timestamptz NOT NULL,
  completed_at timestamptz,
  -- {"events": {"anonymised": 12}}
  tables jsonb NOT NULL DEFAULT '{}',
  -- Addresses that stay suppressed, as hashes.
  suppressed integer NOT NULL,
  digest bytea,
  CONSTRAINT erasures_user_id_key UNIQUE (user_id),
  CONSTRAINT erasures_state_known CHECK (state IN ('running', 'completed')),
  CONSTRAINT erasures_completed_proven CHECK ((state = 'completed') = (digest IS NOT NULL))
);
CREATE INDEX erasures_running_idx ON erasures (id) WHERE state = 'running';

-- What is left of an event's properties when its user is erased: amounts and flags, for the sums of
-- reports. Texts and whatever has a personal name go; `personal` holds such names, letters only.
CREATE FUNCTION herald_anonymous(properties jsonb, personal text[]) RETURNS jsonb
  LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN coalesce((
    SELECT jsonb_object_agg(p.key, p.value) FROM jsonb_each(properties) AS p
    WHERE jsonb_typeof(p.value) IN ('number', 'boolean')
      AND NOT lower(regexp_replace(p.key, '[^[:alpha:]]', '', 'g')) = ANY(personal)
  ), '{}');

CREATE INDEX coupon_redemptions_user_idx ON coupon_redemptions (user_id, redeemed_at);

-- What events and attributes look like. Ingestion adds one row for each of its batches; housekeeping
-- folds them, so that no batch waits for another to count the same name.
CREATE TABLE catalogue_deltas (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  delta jsonb NOT NULL
);

CREATE TABLE catalogue_events (
  name text COLLATE "C" PRIMARY KEY,
  count bigint NOT NULL DEFAULT 0,
  first_seen timestamptz,
  last_seen timestamptz,
  -- Declared: {"amount": {"type": "number", "required": true}}
  properties jsonb,
  mode text,
  -- Events stored although they did not fit.
  flagged bigint NOT NULL DEFAULT 0,
  version bigint NOT NULL DEFAULT 1,
  updated_at timestamptz NOT NULL,
  CONSTRAINT catalogue_events_mode_known CHECK (mode IN ('accept', 'flag', 'reject')),
  CONSTRAINT catalogue_events_declared CHECK ((mode IS NULL) = (properties IS NULL))
) WITH (fillfactor = 50);

-- Of an event, or with the event '' of users: their attributes.
CREATE TABLE catalogue_fields (
  event text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  -- {"string": 12, "number": 1}: how often each type was seen.
  types jsonb NOT NULL,
  count bigint NOT NULL,
  first_seen timestamptz NOT NULL,
  last_seen timestamptz NOT NULL,
  PRIMARY KEY (event, name)
) WITH (fillfactor = 50);
