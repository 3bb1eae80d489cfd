-- Other systems that events come from: by webhooks, or pulled.
CREATE TABLE sources (
  key text COLLATE "C" PRIMARY KEY,
  -- The document as it was put, '***' in the place of each secret.
  config jsonb NOT NULL,
  -- AES-256-GCM under HERALD_SECRETS_KEY; the additional data is 'source:' and the key.
  secret bytea,
  version bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  archived_at timestamptz,
  CONSTRAINT sources_key_form CHECK (key ~ '^[a-z0-9_-]{1,64}$')
);

-- Where each pull stands. Moved in the transaction that stores what a page brought, so that a page
-- counts once however often the process dies.
CREATE TABLE source_pulls (
  source text COLLATE "C" PRIMARY KEY,
  next_at timestamptz NOT NULL,
  lease uuid,
  -- By the database's clock.
  leased_until timestamptz,
  -- The highest value seen up to the end of the last whole run.
  cursor jsonb,
  -- The next page of a run that has begun and what it brought so far.
  progress jsonb,
  last_run jsonb,
  failures integer NOT NULL DEFAULT 0,
  error text,
  error_at timestamptz,
  CONSTRAINT source_pulls_source_fkey FOREIGN KEY (source) REFERENCES sources (key)
) WITH (fillfactor = 50);

-- What came in rightly signed and could not become an event.
CREATE TABLE source_dead_letters (
  source text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  received_at timestamptz NOT NULL,
  -- Its place among the items of its request or page.
  item_index integer NOT NULL,
  delivery_id text COLLATE "C",
  faults jsonb NOT NULL,
  headers jsonb NOT NULL,
  -- The item as it came, cut off when it was too long.
  body bytea NOT NULL,
  is_truncated boolean NOT NULL DEFAULT false,
  tries integer NOT NULL DEFAULT 1,
  tried_at timestamptz NOT NULL,
  PRIMARY KEY (source, id),
  CONSTRAINT source_dead_letters_source_fkey FOREIGN KEY (source) REFERENCES sources (key)
);
-- Retention goes by age over all sources.
CREATE INDEX source_dead_letters_received_idx ON source_dead_letters (received_at);
