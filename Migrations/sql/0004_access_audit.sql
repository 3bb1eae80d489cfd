CREATE TABLE api_keys (
  id uuid PRIMARY KEY,
  hash bytea NOT NULL,
  prefix text NOT NULL,
  name text NOT NULL,
  role text NOT NULL,
  principal text COLLATE "C" NOT NULL,
  -- Who minted it: an author may not approve with a key they made.
  created_by_principal text COLLATE "C",
  created_by_key uuid,
  user_scope jsonb,
  created_at timestamptz NOT NULL,
  expires_at timestamptz,
  revoked_at timestamptz,
  CONSTRAINT api_keys_hash_key UNIQUE (hash),
  CONSTRAINT api_keys_role_known
    CHECK (role IN ('admin', 'operator', 'approver', 'ingest', 'analyst'))
);

CREATE TABLE idempotency_keys (
  -- SHA-256(API key id ‖ 0 ‖ Idempotency-Key)
  scope bytea PRIMARY KEY,
  -- SHA-256 of method, path and body
  fingerprint bytea NOT NULL,
  status integer NOT NULL,
  headers jsonb NOT NULL,
  body bytea NOT NULL,
  created_at timestamptz NOT NULL
);
CREATE INDEX idempotency_keys_created_at_idx ON idempotency_keys (created_at);

CREATE TABLE audit_entries (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL,
  principal text NOT NULL,
  key_id uuid,
  action text COLLATE "C" NOT NULL,
  subject_kind text COLLATE "C" NOT NULL,
  subject text COLLATE "C" NOT NULL,
  before jsonb,
  after jsonb,
  request_id text,
  xid xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX audit_entries_subject_idx ON audit_entries (subject_kind, subject, id);

-- The chain: hash = SHA-256(previous hash ‖ digest of the entry). Sealed once a second behind
-- pg_snapshot_xmin, so that the order is that of committed entries.
CREATE TABLE audit_seals (
  position bigint PRIMARY KEY,
  entry_id bigint NOT NULL,
  hash bytea NOT NULL,
  -- The sealing transaction: what began later cannot be older than this entry.
  sealed_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  CONSTRAINT audit_seals_entry_id_key UNIQUE (entry_id)
);

-- What an entry's digest covers, in one place for sealing and verifying.
CREATE FUNCTION herald_audit_digest(entry audit_entries) RETURNS bytea
  LANGUAGE sql STABLE
  RETURN sha256(convert_to(jsonb_build_array(
    (entry).id, to_char((entry).at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'),
    (entry).principal, (entry).key_id, (entry).action, (entry).subject_kind, (entry).subject,
    (entry).before, (entry).after, (entry).request_id)::text, 'UTF8'));

CREATE TABLE settings (
  id boolean PRIMARY KEY DEFAULT true CHECK (id),
  document jsonb NOT NULL,
  version bigint NOT NULL,
  updated_at timestamptz NOT NULL
);

CREATE TABLE settings_proposals (
  id uuid PRIMARY KEY,
  document jsonb NOT NULL,
  base_version bigint NOT NULL,
  state text NOT NULL,
  proposed_by text NOT NULL,
  proposed_key uuid,
  proposed_at timestamptz NOT NULL,
  decided_by text,
  decided_at timestamptz,
  CONSTRAINT settings_proposals_state_known
    CHECK (state IN ('pending', 'confirmed', 'superseded'))
);

CREATE TABLE jobs (
  id uuid PRIMARY KEY,
  kind text NOT NULL,
  state text NOT NULL,
  parameters jsonb NOT NULL,
  done bigint NOT NULL DEFAULT 0,
  failed bigint NOT NULL DEFAULT 0,
  total bigint,
  -- Where a resumed job goes on: the next input chunk and the bytes of it already done.
  progress jsonb NOT NULL DEFAULT '{}',
  problem text,
  lease uuid,
  leased_until timestamptz,
  created_by text NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  finished_at timestamptz,
  CONSTRAINT jobs_state_known
    CHECK (state IN ('receiving', 'queued', 'running', 'completed', 'failed', 'cancelled'))
) WITH (fillfactor = 85);

CREATE TABLE job_chunks (
  job uuid NOT NULL,
  n integer NOT NULL,
  data bytea NOT NULL,
  PRIMARY KEY (job, n),
  CONSTRAINT job_chunks_job_fkey FOREIGN KEY (job) REFERENCES jobs (id) ON DELETE CASCADE
);

-- Compressing what is read once, and often compressed already, is not worth its time.
ALTER TABLE job_chunks ALTER COLUMN data SET STORAGE EXTERNAL;

-- The users of a list on its way in; they become members of the segment all at once.
CREATE TABLE job_members (
  job uuid NOT NULL,
  user_id uuid NOT NULL,
  PRIMARY KEY (job, user_id),
  CONSTRAINT job_members_job_fkey FOREIGN KEY (job) REFERENCES jobs (id) ON DELETE CASCADE
);

CREATE TABLE job_errors (
  job uuid NOT NULL,
  line bigint NOT NULL,
  code text NOT NULL,
  pointer text NOT NULL,
  detail text NOT NULL,
  PRIMARY KEY (job, line, pointer, code),
  CONSTRAINT job_errors_job_fkey FOREIGN KEY (job) REFERENCES jobs (id) ON DELETE CASCADE
);
