-- The first step's `not_after` counts from when what the person did made it due.
UPDATE queue SET step_entered_at = due_at WHERE phase = 'entry';
