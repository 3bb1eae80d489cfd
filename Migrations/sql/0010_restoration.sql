-- How far hand-overs have come, counted at most once a second while there are any. Each process also
-- keeps the count in a file outside the database: a database behind its file was restored.
CREATE TABLE handover_mark (
  id boolean PRIMARY KEY DEFAULT true CHECK (id),
  -- Tells this database from others that the same data directory has seen.
  installation uuid NOT NULL,
  n bigint NOT NULL,
  at timestamptz NOT NULL,
  -- When this database was last found to be a restored one.
  restored_at timestamptz
) WITH (fillfactor = 50);
INSERT INTO handover_mark (installation, n, at) VALUES (gen_random_uuid(), 0, '-infinity');

-- Begun before the database was restored, or due to be: what it sends from then on may have been
-- sent before, in the time that the backup does not know of.
ALTER TABLE runs ADD COLUMN restored boolean NOT NULL DEFAULT false;
