-- The first step's `not_after` counts from when what the person did made it due.
UPDATE queue SET step_entered_at = due_at WHERE phase = 'entry';

-- When a later version took over: occurrences up to then are still this one's.
ALTER TABLE plan_schedules ADD COLUMN closed_at timestamptz;
