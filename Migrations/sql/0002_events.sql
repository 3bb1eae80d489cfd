-- What users did. Months are partitions, so that old ones are dropped whole.

CREATE TABLE events (
  user_id uuid NOT NULL,
  name text COLLATE "C" NOT NULL,
  ts timestamptz NOT NULL,
  id uuid NOT NULL,
  properties jsonb NOT NULL DEFAULT '{}',
  source text COLLATE "C" NOT NULL,
  message_id text COLLATE "C",
  received_at timestamptz NOT NULL,
  PRIMARY KEY (user_id, name, ts, id)
) PARTITION BY RANGE (ts);
CREATE INDEX events_name_ts_idx ON events (name, ts, user_id);
-- Catches what no month covers; herald_make_partition moves its rows out.
CREATE TABLE events_default PARTITION OF events DEFAULT;

-- Which messages were seen: key = first 16 bytes of SHA-256(source ‖ 0 ‖ message_id). Apart from
-- the droppable log and free of user and time, because both can change between two tries.
CREATE TABLE event_keys (
  key uuid PRIMARY KEY,
  seen_on date NOT NULL
) PARTITION BY HASH (key);
DO $$ BEGIN
  FOR i IN 0..7 LOOP
    EXECUTE format(
      'CREATE TABLE event_keys_%s PARTITION OF event_keys FOR VALUES WITH (MODULUS 8, REMAINDER %s)',
      i, i);
  END LOOP;
END $$;
