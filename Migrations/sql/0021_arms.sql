-- Arms: in which group of a holdout or an experiment a person is. Assigned at the first entry that
-- asks, and kept from then on, whatever becomes of shares, variants and ids.
CREATE TABLE arms (
  user_id uuid NOT NULL,
  -- 'holdout' for the global one, 'holdout:<plan>', 'experiment:<plan>:<step>'; also the salt of the
  -- bucket.
  scope text COLLATE "C" NOT NULL,
  -- 'held_out' or 'in' of a holdout; the key of a variant.
  arm text COLLATE "C" NOT NULL,
  bucket smallint NOT NULL,
  assigned_at timestamptz NOT NULL,
  -- Merged with this user, whose arm it was; NULL: assigned to the user itself.
  origin uuid,
  PRIMARY KEY (user_id, scope),
  CONSTRAINT arms_bucket_range CHECK (bucket BETWEEN 0 AND 9999)
);

-- What was decided at entries so far.
INSERT INTO arms (user_id, scope, arm, bucket, assigned_at)
SELECT DISTINCT ON (user_id, plan) user_id, 'holdout:' || plan,
  CASE state WHEN 'held_out' THEN 'held_out' ELSE 'in' END, holdout_bucket, entered_at
FROM enrolments WHERE holdout_bucket IS NOT NULL AND state <> 'skipped'
ORDER BY user_id, plan, entered_at;
-- Those of merged people go along, the oldest first; of people who stand they stay.
INSERT INTO arms (user_id, scope, arm, bucket, assigned_at, origin)
SELECT DISTINCT ON (l.user_id, a.scope) l.user_id, a.scope, a.arm, a.bucket, a.assigned_at, a.user_id
FROM arms a JOIN user_aliases l ON l.alias_id = a.user_id
ORDER BY l.user_id, a.scope, a.assigned_at
ON CONFLICT DO NOTHING;

-- Arms that differed between the two at the merge, with the one that holds from then on:
-- [{"scope", "survivor", "merged", "kept"}].
ALTER TABLE user_merges ADD COLUMN flipped_arms jsonb NOT NULL DEFAULT '[]';
