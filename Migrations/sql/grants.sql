-- Runs after every migration: what the runtime role may do, when there is one. No DDL, and no
-- change of what was audited.
DO $$ BEGIN
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'herald_app') THEN
    GRANT USAGE ON SCHEMA public TO herald_app;
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO herald_app;
    REVOKE UPDATE, DELETE, TRUNCATE ON audit_entries, audit_seals FROM herald_app;
    REVOKE INSERT, UPDATE, DELETE ON schema_migrations FROM herald_app;
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO herald_app;
    GRANT EXECUTE ON FUNCTION herald_make_partition(text, date) TO herald_app;
    GRANT EXECUTE ON FUNCTION herald_drop_partition(text, date) TO herald_app;
    GRANT EXECUTE ON FUNCTION herald_analyze(text) TO herald_app;
  END IF;
END $$;
