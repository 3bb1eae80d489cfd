-- What texts may name the person by, as [{"kind": "phone", "value": "+86…"}], until those were gone through: afterwards
-- nothing here says who it was.
ALTER TABLE erasures ADD COLUMN names jsonb,
  ADD CONSTRAINT erasures_completed_nameless CHECK (state = 'running' OR names IS NULL);

-- A text with the digits of its numbers together, as telephone numbers are not always written.
CREATE FUNCTION herald_ungrouped(written text) RETURNS text
  LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
  RETURN regexp_replace(written, '([0-9])[ ()./-]{1,2}(?=[0-9])', '\1', 'g');
