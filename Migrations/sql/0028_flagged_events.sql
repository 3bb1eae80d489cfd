-- Events that were stored although a declared schema flags them stand among the violations, with the
-- event and its user: the row's id is the event's.
ALTER TABLE violations ADD COLUMN event text COLLATE "C", ADD COLUMN user_id uuid;
CREATE INDEX violations_event_idx ON violations (event, at DESC, id DESC) WHERE event IS NOT NULL;
CREATE INDEX violations_user_idx ON violations (user_id) WHERE user_id IS NOT NULL;
