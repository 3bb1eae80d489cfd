CREATE TABLE senders (
  key text COLLATE "C" PRIMARY KEY,
  channel text NOT NULL,
  adapter text NOT NULL,
  config jsonb NOT NULL,
  -- AES-256-GCM under HERALD_SECRETS_KEY; the additional data is the sender's key.
  secret bytea,
  weight integer NOT NULL,
  pace_per_second double precision,
  concurrency integer NOT NULL,
  timeout_seconds integer NOT NULL,
  state text NOT NULL DEFAULT 'active',
  state_reason text,
  version bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  archived_at timestamptz,
  CONSTRAINT senders_key_form CHECK (key ~ '^[a-z0-9_-]{1,64}$'),
  CONSTRAINT senders_state_known CHECK (state IN ('active', 'paused')),
  CONSTRAINT senders_weight_range CHECK (weight BETWEEN 0 AND 1000),
  CONSTRAINT senders_pace_positive CHECK (pace_per_second > 0),
  CONSTRAINT senders_concurrency_range CHECK (concurrency BETWEEN 1 AND 1024),
  CONSTRAINT senders_timeout_range CHECK (timeout_seconds BETWEEN 1 AND 30)
);

-- Token buckets shared by processes, taken in slabs: 'sender:K', 'plan:K'.
CREATE TABLE pace (
  scope text COLLATE "C" PRIMARY KEY,
  tokens double precision NOT NULL,
  refilled_at timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE coupons (
  key text COLLATE "C" PRIMARY KEY,
  name text NOT NULL,
  discount jsonb NOT NULL,
  valid jsonb NOT NULL,
  per_user integer NOT NULL,
  -- 'generate' keeps its document here; NULL when codes are imported.
  generation jsonb,
  codes bigint NOT NULL DEFAULT 0,
  version bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  archived_at timestamptz,
  CONSTRAINT coupons_key_form CHECK (key ~ '^[a-z0-9_-]{1,64}$'),
  CONSTRAINT coupons_per_user_positive CHECK (per_user >= 1)
);

-- Codes are numbered 1…codes without a gap. Distributed by coupon, not by user.
CREATE TABLE coupon_codes (
  coupon text COLLATE "C" NOT NULL,
  code_no bigint NOT NULL,
  code text COLLATE "C" NOT NULL,
  PRIMARY KEY (coupon, code_no),
  -- The code leads: a redemption names a code and no coupon.
  CONSTRAINT coupon_codes_code_key UNIQUE (code, coupon),
  CONSTRAINT coupon_codes_coupon_fkey FOREIGN KEY (coupon) REFERENCES coupons (key)
);

-- Of 16 shards, shard s holds the numbers s + 1, s + 17, s + 33 …; those from next_no up to end_no
-- are unissued, so that adding codes moves end_no alone. Issuing advances next_no in the delivery's
-- transaction. An exhausted shard steals from others in ascending order of shard.
CREATE TABLE coupon_shards (
  coupon text COLLATE "C" NOT NULL,
  shard smallint NOT NULL,
  next_no bigint NOT NULL,
  end_no bigint NOT NULL,
  PRIMARY KEY (coupon, shard),
  CONSTRAINT coupon_shards_shard_range CHECK (shard BETWEEN 0 AND 15),
  CONSTRAINT coupon_shards_next_fits CHECK ((next_no - 1) % 16 = shard),
  CONSTRAINT coupon_shards_coupon_fkey FOREIGN KEY (coupon) REFERENCES coupons (key)
) WITH (fillfactor = 50);

CREATE TABLE coupon_issues (
  coupon text COLLATE "C" NOT NULL,
  code_no bigint NOT NULL,
  code text COLLATE "C" NOT NULL,
  -- The user that stood for the delivery's user when it was issued.
  user_id uuid NOT NULL,
  delivery_id uuid NOT NULL,
  plan text COLLATE "C" NOT NULL,
  nth integer NOT NULL,
  -- As approved: what this code is worth, whatever becomes of the coupon's definition.
  discount jsonb NOT NULL,
  state text NOT NULL DEFAULT 'issued',
  issued_at timestamptz NOT NULL,
  valid_from timestamptz,
  valid_until timestamptz,
  PRIMARY KEY (coupon, code_no),
  CONSTRAINT coupon_issues_delivery_key UNIQUE (delivery_id, coupon),
  CONSTRAINT coupon_issues_nth_key UNIQUE (coupon, user_id, nth),
  CONSTRAINT coupon_issues_code_fkey
    FOREIGN KEY (coupon, code_no) REFERENCES coupon_codes (coupon, code_no),
  CONSTRAINT coupon_issues_state_known CHECK (state IN ('issued', 'redeemed'))
) WITH (fillfactor = 85);
CREATE INDEX coupon_issues_user_idx ON coupon_issues (user_id, issued_at);

-- What a plan with a limit has issued of a coupon. A plan without one has no row.
CREATE TABLE coupon_budgets (
  plan text COLLATE "C" NOT NULL,
  coupon text COLLATE "C" NOT NULL,
  issued bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (plan, coupon),
  CONSTRAINT coupon_budgets_coupon_fkey FOREIGN KEY (coupon) REFERENCES coupons (key)
) WITH (fillfactor = 50);

CREATE TABLE coupon_redemptions (
  id uuid PRIMARY KEY,
  coupon text COLLATE "C" NOT NULL,
  code_no bigint NOT NULL,
  user_id uuid NOT NULL,
  order_id text NOT NULL,
  order_value jsonb,
  redeemed_at timestamptz NOT NULL,
  rolled_back_at timestamptz,
  CONSTRAINT coupon_redemptions_issue_fkey
    FOREIGN KEY (coupon, code_no) REFERENCES coupon_issues (coupon, code_no)
);
CREATE UNIQUE INDEX coupon_redemptions_standing_key ON coupon_redemptions (coupon, code_no)
  WHERE rolled_back_at IS NULL;
