-- What senders of events say of their circumstances (page, campaign, library, clocks); absent for
-- events of Herald's own API.
ALTER TABLE events ADD COLUMN context jsonb;
