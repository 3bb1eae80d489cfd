-- What senders of events say of their circumstances (page, campaign, library, clocks); absent for
-- events of Herald's own API.
ALTER TABLE events ADD COLUMN context jsonb;

-- What clients sent that could not be taken as it was, where the protocol has no word for it: their
-- answer says success, the reason is here. Kept for a month; personal like the events themselves.
CREATE TABLE violations (
  id uuid PRIMARY KEY,
  at timestamptz NOT NULL,
  source text COLLATE "C" NOT NULL,
  principal text NOT NULL,
  code text COLLATE "C" NOT NULL,
  pointer text NOT NULL,
  detail text NOT NULL,
  stored boolean NOT NULL,
  message_id text,
  payload text NOT NULL,
  payload_bytes bigint NOT NULL
);
CREATE INDEX violations_at_idx ON violations (at DESC, id DESC);
