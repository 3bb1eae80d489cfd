-- Until autovacuum comes by, some twenty seconds, the planner knows nothing of what an import brought,
-- and a segment over its events reads the wrong index once for every user. Only a table's owner may
-- ANALYZE: this function is Herald's way, and it knows a closed list.
CREATE FUNCTION herald_analyze(kind text) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = public, pg_temp AS $$
BEGIN
  ANALYZE users, identities, user_aliases;
  IF kind = 'users' THEN
    ANALYZE user_tags, consents, devices;
  ELSIF kind = 'events' THEN
    ANALYZE events;
  END IF;
END $$;
REVOKE ALL ON FUNCTION herald_analyze(text) FROM PUBLIC;
