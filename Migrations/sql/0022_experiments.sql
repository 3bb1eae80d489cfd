-- Experiments: the arm of each enrolment, and races with their decisions.

-- The variant a person tries, or 'winner' for those who get the one that did best. NULL: the plan has
-- no experiment, or the person never came in.
ALTER TABLE enrolments ADD COLUMN arm text COLLATE "C";
CREATE INDEX enrolments_racers_idx ON enrolments (run_id, arm) WHERE arm <> 'winner';

-- 'race': a delivery that waits for the winner of its step's experiment.
ALTER TABLE queue DROP CONSTRAINT queue_phase_known;
ALTER TABLE queue ADD CONSTRAINT queue_phase_known
  CHECK (phase IN ('entry', 'step', 'send', 'follow_up', 'race'));

CREATE TABLE races (
  plan text COLLATE "C" NOT NULL,
  plan_version integer NOT NULL,
  -- Of a crowd's run; '' for a stream, whose entrants race until one decision for all.
  occurrence text COLLATE "C" NOT NULL,
  -- When it is to be decided on, as far as that is known.
  look_at timestamptz NOT NULL,
  winner text COLLATE "C",
  status text,
  -- [{"variant", "sent", "answered"}] as they were at the decision.
  figures jsonb,
  decided_at timestamptz,
  PRIMARY KEY (plan, plan_version, occurrence),
  CONSTRAINT races_status_known CHECK (status IN ('leading', 'insufficient')),
  CONSTRAINT races_decided CHECK ((winner IS NULL) = (decided_at IS NULL)
    AND (winner IS NULL) = (status IS NULL) AND (winner IS NULL) = (figures IS NULL))
);
