-- People: users, the identities they are addressed by, what is known of them.

-- The lane of a user, 0…63: the unit of claiming, locking and later of sharding. The last byte of
-- a time-ordered uuid is random.
CREATE FUNCTION herald_lane(user_id uuid) RETURNS smallint
  LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN (get_byte(uuid_send(user_id), 15) & 63)::smallint;

-- Bucket 0…9999 of a unit under a salt: the first 8 bytes h (big endian) of
-- SHA-256(salt ‖ 0x1F ‖ unit), (h × 10000) >> 64. The same as Cryptography's `Bucket.of`.
CREATE FUNCTION herald_bucket(salt text, unit text) RETURNS integer
  LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN (
    SELECT ((hi * 10000 + ((lo * 10000) >> 32)) >> 32)::integer
    FROM (SELECT
        (get_byte(d, 0)::bigint << 24) + (get_byte(d, 1) << 16) + (get_byte(d, 2) << 8)
          + get_byte(d, 3) AS hi,
        (get_byte(d, 4)::bigint << 24) + (get_byte(d, 5) << 16) + (get_byte(d, 6) << 8)
          + get_byte(d, 7) AS lo
      FROM sha256(convert_to(salt, 'UTF8') || '\x1f'::bytea || convert_to(unit, 'UTF8')) AS d
    ) AS halves);

CREATE TABLE users (
  id uuid PRIMARY KEY,
  attributes jsonb NOT NULL DEFAULT '{}',
  time_zone text,
  locale text,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  first_seen timestamptz,
  last_seen timestamptz,
  erased_at timestamptz,
  version bigint NOT NULL DEFAULT 1,
  CONSTRAINT users_attributes_object CHECK (jsonb_typeof(attributes) = 'object')
) WITH (fillfactor = 85);
CREATE INDEX users_created_at_idx ON users (created_at, id);

CREATE TABLE identity_kinds (
  key text COLLATE "C" PRIMARY KEY,
  priority integer NOT NULL,
  multiple boolean NOT NULL,
  on_conflict text NOT NULL,
  CONSTRAINT identity_kinds_key_form CHECK (key ~ '^[a-z][a-z0-9_]{0,63}$'),
  CONSTRAINT identity_kinds_on_conflict_known CHECK (on_conflict IN ('move', 'share', 'conflict'))
);
INSERT INTO identity_kinds (key, priority, multiple, on_conflict) VALUES
  ('external_id', 100, false, 'conflict'),
  ('wechat_unionid', 90, false, 'conflict'),
  ('phone', 80, true, 'move'),
  ('email', 70, true, 'move'),
  ('wechat_openid', 60, true, 'move'),
  ('device_id', 20, true, 'share'),
  ('anonymous_id', 10, true, 'move');

-- An identity has one current owner; former owners are kept in identity_history.
CREATE TABLE identities (
  kind text COLLATE "C" NOT NULL,
  value text COLLATE "C" NOT NULL,
  user_id uuid NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (kind, value),
  CONSTRAINT identities_kind_fkey FOREIGN KEY (kind) REFERENCES identity_kinds (key)
);
CREATE INDEX identities_user_id_idx ON identities (user_id, kind);

CREATE TABLE identity_history (
  user_id uuid NOT NULL,
  kind text COLLATE "C" NOT NULL,
  value text COLLATE "C" NOT NULL,
  at timestamptz NOT NULL,
  change text NOT NULL,
  PRIMARY KEY (user_id, kind, value, at, change),
  CONSTRAINT identity_history_change_known
    CHECK (change IN ('bound', 'moved_away', 'unbound', 'merged_away'))
);

-- What a merge leaves behind: the old id stays resolvable for ever.
CREATE TABLE user_aliases (
  alias_id uuid PRIMARY KEY,
  user_id uuid NOT NULL,
  merged_at timestamptz NOT NULL
);
CREATE INDEX user_aliases_user_id_idx ON user_aliases (user_id);

CREATE TABLE consents (
  user_id uuid NOT NULL,
  channel text COLLATE "C" NOT NULL,
  subscription_group text COLLATE "C" NOT NULL DEFAULT '',
  state text NOT NULL,
  source text NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (user_id, channel, subscription_group),
  CONSTRAINT consents_state_known CHECK (state IN ('granted', 'denied', 'unknown'))
);

CREATE TABLE consent_history (
  user_id uuid NOT NULL,
  id uuid NOT NULL,
  channel text COLLATE "C" NOT NULL,
  subscription_group text COLLATE "C" NOT NULL DEFAULT '',
  state text NOT NULL,
  source text NOT NULL,
  at timestamptz NOT NULL,
  PRIMARY KEY (user_id, id)
);

-- Outranks every consent and outlives erasure: only the hash of the address is kept.
CREATE TABLE suppressions (
  kind text COLLATE "C" NOT NULL,
  value_hash bytea NOT NULL,
  reason text NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (kind, value_hash),
  CONSTRAINT suppressions_reason_known
    CHECK (reason IN ('bounced', 'complained', 'unsubscribed', 'erased', 'manual'))
);

CREATE TABLE devices (
  user_id uuid NOT NULL,
  provider text COLLATE "C" NOT NULL,
  token text COLLATE "C" NOT NULL,
  platform text NOT NULL,
  state text NOT NULL DEFAULT 'active',
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (user_id, provider, token),
  CONSTRAINT devices_state_known CHECK (state IN ('active', 'dead'))
);
CREATE INDEX devices_token_idx ON devices (provider, token);

CREATE TABLE tags (
  key text COLLATE "C" PRIMARY KEY,
  name text NOT NULL,
  category text NOT NULL,
  type text NOT NULL,
  choices jsonb,
  rule jsonb,
  ttl_seconds bigint,
  version bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  archived_at timestamptz,
  CONSTRAINT tags_key_form CHECK (key ~ '^[a-z0-9_-]{1,64}$'),
  CONSTRAINT tags_category_known CHECK (category IN
    ('basic', 'behaviour', 'order', 'rating', 'rfm', 'lifecycle', 'custom')),
  CONSTRAINT tags_type_known CHECK (type IN ('flag', 'text', 'number', 'choice')),
  CONSTRAINT tags_ttl_positive CHECK (ttl_seconds > 0)
);

CREATE TABLE user_tags (
  user_id uuid NOT NULL,
  tag text COLLATE "C" NOT NULL,
  value jsonb NOT NULL DEFAULT 'true',
  source text NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  expires_at timestamptz,
  PRIMARY KEY (user_id, tag),
  CONSTRAINT user_tags_tag_fkey FOREIGN KEY (tag) REFERENCES tags (key),
  CONSTRAINT user_tags_source_known CHECK (source IN ('manual', 'rule', 'import', 'api'))
);
CREATE INDEX user_tags_tag_idx ON user_tags (tag, user_id) INCLUDE (value, expires_at);
