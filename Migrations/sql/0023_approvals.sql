-- Approvals of several people and stages, with what they say to each other.

-- What a submission asks for, fixed when it was made: its measures, the rules they met, the stages.
ALTER TABLE approvals ADD COLUMN demand jsonb NOT NULL DEFAULT
  '{"people": 0, "coupon_cost": [], "unpriced": [], "rules": [],
    "stages": [{"name": "approval", "approvers": 1, "principals": []}]}';
-- What reading the content found.
ALTER TABLE approvals ADD COLUMN lint jsonb NOT NULL DEFAULT '[]';
-- NULL: never.
ALTER TABLE approvals ADD COLUMN expires_at timestamptz;
ALTER TABLE approvals ADD COLUMN remind_at timestamptz;
ALTER TABLE approvals ADD COLUMN reminders integer NOT NULL DEFAULT 0;
ALTER TABLE approvals DROP CONSTRAINT approvals_state_known;
ALTER TABLE approvals ADD CONSTRAINT approvals_state_known
  CHECK (state IN ('pending', 'approved', 'rejected', 'superseded', 'expired'));
-- Few are pending at a time.
CREATE INDEX approvals_due_idx ON approvals (least(expires_at, remind_at)) WHERE state = 'pending';

CREATE TABLE approval_decisions (
  approval uuid NOT NULL,
  n smallint NOT NULL,
  -- Position among the stages of the demand.
  stage smallint NOT NULL,
  decision text NOT NULL,
  principal text COLLATE "C" NOT NULL,
  key_id uuid NOT NULL,
  comment text,
  at timestamptz NOT NULL,
  PRIMARY KEY (approval, n),
  CONSTRAINT approval_decisions_approval_fkey FOREIGN KEY (approval) REFERENCES approvals (id),
  CONSTRAINT approval_decisions_decision_known CHECK (decision IN ('approved', 'rejected'))
);
-- One person is one approver, however many keys and stages.
CREATE UNIQUE INDEX approval_decisions_principal_key
  ON approval_decisions (approval, principal) WHERE decision = 'approved';
INSERT INTO approval_decisions (approval, n, stage, decision, principal, key_id, comment, at)
SELECT id, 1, 0, state, decided_by, decided_key, decision_comment, decided_at
FROM approvals
WHERE state IN ('approved', 'rejected') AND decided_by IS NOT NULL AND decided_key IS NOT NULL;

CREATE TABLE approval_comments (
  id uuid PRIMARY KEY,
  approval uuid NOT NULL,
  principal text COLLATE "C" NOT NULL,
  text text NOT NULL,
  at timestamptz NOT NULL,
  CONSTRAINT approval_comments_approval_fkey FOREIGN KEY (approval) REFERENCES approvals (id)
);
CREATE INDEX approval_comments_approval_idx ON approval_comments (approval, id);
