-- How many people entered a version one by one, where its document limits how many may.
CREATE TABLE stream_entries (
  plan text COLLATE "C" NOT NULL,
  plan_version integer NOT NULL,
  n bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (plan, plan_version),
  FOREIGN KEY (plan, plan_version) REFERENCES plan_versions (plan, version)
) WITH (fillfactor = 50);
INSERT INTO stream_entries (plan, plan_version, n)
SELECT e.plan, e.plan_version, count(*) FROM plan_versions v
JOIN enrolments e ON e.plan = v.plan AND e.plan_version = v.version
JOIN runs r ON r.id = e.run_id AND r.occurrence LIKE 'day:%'
WHERE v.state IN ('live', 'paused') AND v.document #> '{limits,audience}' IS NOT NULL
  AND e.state NOT IN ('skipped', 'held_out')
GROUP BY 1, 2;
