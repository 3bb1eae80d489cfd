-- Plans in groups: a name that orders lists, outside of what is approved.

ALTER TABLE plans ADD COLUMN plan_group text COLLATE "C";
ALTER TABLE plans ADD CONSTRAINT plans_group_format
  CHECK (plan_group ~ '^[a-z0-9_-]{1,64}$');
CREATE INDEX plans_group_idx ON plans (plan_group, key) WHERE plan_group IS NOT NULL;
