/** Tables and the view over evidence. Times are milliseconds since 1970 UTC, of the worker that saw or did it. */
export const tables = /* sql */ `
CREATE TABLE estates (
  hash text PRIMARY KEY,
  estate jsonb NOT NULL
);

CREATE TABLE runs (
  run_id text PRIMARY KEY,
  request jsonb NOT NULL,
  request_hash text NOT NULL,
  dry_run boolean NOT NULL,
  started_at bigint NOT NULL,
  estate_hash text REFERENCES estates,
  confirmed_at bigint,
  passed_wave integer, -- the last gate passed, and when, by Temporal's clock
  passed_at bigint,
  closed_at bigint,
  result jsonb,
  report json -- not jsonb: people read it in the order in which it was written
);
CREATE INDEX runs_newest_first ON runs (started_at DESC);

CREATE TABLE observations (
  run_id text NOT NULL REFERENCES runs ON DELETE CASCADE,
  phase text NOT NULL CHECK (phase IN ('discovery', 'after', 'watch')),
  server text NOT NULL,
  asked_at bigint NOT NULL,
  info jsonb,
  tasks jsonb,
  problem jsonb,
  PRIMARY KEY (run_id, phase, server)
);

CREATE TABLE plans (
  run_id text PRIMARY KEY REFERENCES runs ON DELETE CASCADE,
  plan_hash text NOT NULL,
  planned_at bigint NOT NULL,
  policy jsonb NOT NULL,
  head jsonb NOT NULL,          -- the hashed plan without its targets
  beside jsonb NOT NULL,        -- what people read beside the plan: left, findings, not seen
  shape jsonb NOT NULL,         -- waves, shards and linger groups, as the workflow needs them
  group_members jsonb NOT NULL, -- members of each group seen active at discovery, for floors
  targets integer NOT NULL
);

CREATE TABLE targets (
  run_id text NOT NULL REFERENCES plans ON DELETE CASCADE,
  server text NOT NULL,
  id text NOT NULL,
  position integer NOT NULL,
  wave integer NOT NULL,
  shard integer NOT NULL,
  linger integer NOT NULL,      -- shard of wave 0: the whole run, by site
  task_group text,
  planned jsonb NOT NULL,
  extras jsonb NOT NULL,
  seen_at bigint,
  seen_state text,
  PRIMARY KEY (run_id, server, id)
);
CREATE INDEX targets_of_shard ON targets (run_id, wave, shard);
CREATE INDEX targets_of_group ON targets (task_group) WHERE task_group IS NOT NULL;

CREATE TABLE claims (
  run_id text NOT NULL,
  wave integer NOT NULL,
  shard integer NOT NULL,
  epoch integer NOT NULL,
  at bigint NOT NULL,
  PRIMARY KEY (run_id, wave, shard)
);

CREATE TABLE reservations (
  server text NOT NULL,
  id text NOT NULL,
  run_id text NOT NULL REFERENCES runs,
  PRIMARY KEY (server, id)
);

-- One clock for evidence, attempts and what people ask, so that "after that outcome" does not depend on the clocks of two hosts.
CREATE SEQUENCE history;

CREATE TABLE attempts (
  seq bigint NOT NULL DEFAULT nextval('history'),
  run_id text NOT NULL,
  server text NOT NULL,
  id text NOT NULL,
  n integer NOT NULL,
  is_reply boolean NOT NULL,
  kind text NOT NULL,
  epoch integer NOT NULL,
  rung text NOT NULL,
  at bigint NOT NULL,
  note text,
  PRIMARY KEY (run_id, server, id, n, is_reply),
  FOREIGN KEY (run_id, server, id) REFERENCES targets,
  CHECK (kind = ANY (CASE WHEN is_reply THEN ARRAY['acknowledged', 'rejected', 'unanswered', 'unsent'] ELSE ARRAY['intended'] END))
);

CREATE TABLE evidence (
  seq bigint PRIMARY KEY DEFAULT nextval('history'),
  run_id text NOT NULL,
  server text NOT NULL,
  id text NOT NULL,
  epoch integer, -- absent where no claim wrote it: confirm, skip
  at bigint NOT NULL,
  what text NOT NULL,
  outcome text,
  final boolean NOT NULL,
  late boolean NOT NULL,
  rung text,
  ending boolean NOT NULL,
  FOREIGN KEY (run_id, server, id) REFERENCES targets,
  CHECK (outcome IS NOT NULL OR NOT final)
);
CREATE UNIQUE INDEX evidence_one_final ON evidence (run_id, server, id) WHERE final;
CREATE INDEX evidence_of_target ON evidence (run_id, server, id, final DESC, seq DESC);

CREATE TABLE snapshots (
  seq bigint PRIMARY KEY DEFAULT nextval('history'),
  run_id text NOT NULL,
  server text NOT NULL,
  id text NOT NULL,
  at bigint NOT NULL,
  detail jsonb NOT NULL,
  FOREIGN KEY (run_id, server, id) REFERENCES targets
);
CREATE INDEX snapshots_of_target ON snapshots (run_id, server, id);

CREATE TABLE retries (
  seq bigint PRIMARY KEY DEFAULT nextval('history'),
  run_id text NOT NULL,
  server text NOT NULL,
  id text NOT NULL,
  at bigint NOT NULL,
  rung text,
  FOREIGN KEY (run_id, server, id) REFERENCES targets
);
CREATE INDEX retries_of_target ON retries (run_id, server, id, seq DESC);

CREATE TABLE checks (
  run_id text NOT NULL REFERENCES runs,
  phase text NOT NULL CHECK (phase IN ('before', 'after')),
  position integer NOT NULL,
  name text NOT NULL,
  database text NOT NULL,
  query text NOT NULL,
  targets jsonb NOT NULL,
  verdict text NOT NULL,
  detail text NOT NULL,
  PRIMARY KEY (run_id, phase, position)
);

CREATE TABLE compensations (
  run_id text NOT NULL REFERENCES runs,
  server text NOT NULL,
  id text NOT NULL,
  at bigint NOT NULL,
  result jsonb NOT NULL,
  PRIMARY KEY (run_id, server, id)
);

-- Rows and errors of non-targets, before and after: never evidence of how a target ended.
CREATE TABLE samples (
  seq bigint PRIMARY KEY DEFAULT nextval('history'),
  run_id text NOT NULL REFERENCES runs,
  phase text NOT NULL CHECK (phase IN ('before', 'after')),
  server text NOT NULL,
  id text NOT NULL,
  at bigint NOT NULL,
  rows bigint, -- absent where the detail has no steps
  errors bigint NOT NULL,
  was_stopped boolean NOT NULL
);
CREATE INDEX samples_of_run ON samples (run_id, phase);

CREATE TABLE bystanders (
  run_id text NOT NULL REFERENCES runs,
  server text NOT NULL,
  id text NOT NULL,
  verdict jsonb NOT NULL,
  PRIMARY KEY (run_id, server, id)
);

-- A proof that a later list took back: the same identity at work again. It stands against whatever ended the target.
CREATE TABLE contradictions (
  run_id text NOT NULL REFERENCES runs,
  server text NOT NULL,
  id text NOT NULL,
  at bigint NOT NULL,
  PRIMARY KEY (run_id, server, id)
);

CREATE TABLE came_back (
  run_id text NOT NULL REFERENCES runs,
  server text NOT NULL,
  id text NOT NULL,
  name text NOT NULL,
  why text NOT NULL,
  PRIMARY KEY (run_id, server, id)
);

-- Holds of schedulers: what was held is written here before it is held, so that exactly that is released.
CREATE TABLE holds (
  run_id text NOT NULL REFERENCES runs,
  scheduler text NOT NULL,
  held text NOT NULL,
  at bigint NOT NULL,
  released_at bigint,
  PRIMARY KEY (run_id, scheduler, held)
);

-- What people did: consents, refusals and orders.
CREATE TABLE approvals (
  seq bigint PRIMARY KEY DEFAULT nextval('history'),
  run_id text NOT NULL REFERENCES runs,
  at bigint NOT NULL,
  kind text NOT NULL,
  actor jsonb NOT NULL,
  act jsonb NOT NULL
);
CREATE INDEX approvals_of_run ON approvals (run_id, seq);

CREATE TABLE control (
  run_id text PRIMARY KEY,
  state text NOT NULL CHECK (state IN ('go', 'paused', 'braked')),
  ordered_at bigint NOT NULL
);

CREATE TABLE audit (
  chain text NOT NULL,
  seq integer NOT NULL,
  run_id text NOT NULL,
  at bigint NOT NULL,
  record text NOT NULL, -- canonical JSON, byte for byte what is hashed
  hash text NOT NULL,
  PRIMARY KEY (chain, seq)
);
CREATE INDEX audit_of_run ON audit (run_id);

CREATE FUNCTION offboil_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'OB002';
END $$;

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['attempts', 'evidence', 'snapshots', 'samples', 'retries', 'checks', 'approvals', 'contradictions', 'audit'] LOOP
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %I
                    FOR EACH STATEMENT EXECUTE FUNCTION offboil_append_only()', name);
  END LOOP;
END $$;

-- An outcome is what the evidence says: the final one, else the latest provisional one, else none. One that was contradicted is
-- unconfirmed.
CREATE VIEW outcomes AS
SELECT t.run_id, t.server, t.id, t.position, t.wave, t.shard, t.linger,
       e.seq, coalesce(c.at, e.at) AS at, CASE WHEN c.at IS NULL THEN e.outcome ELSE 'unconfirmed' END AS outcome,
       c.at IS NULL AND coalesce(e.final, false) AS final, coalesce(e.late, false) AS late, e.rung,
       -- requests that may have left: all but those that provably did not
       (SELECT count(*)::integer FROM attempts a
         WHERE a.run_id = t.run_id AND a.server = t.server AND a.id = t.id AND NOT a.is_reply
           AND NOT EXISTS (SELECT FROM attempts r WHERE r.run_id = a.run_id AND r.server = a.server AND r.id = a.id
                              AND r.n = a.n AND r.is_reply AND r.kind = 'unsent')) AS requests
FROM targets t
LEFT JOIN LATERAL (
  SELECT * FROM evidence x
   WHERE x.run_id = t.run_id AND x.server = t.server AND x.id = t.id AND x.outcome IS NOT NULL
   ORDER BY x.final DESC, x.seq DESC LIMIT 1
) e ON true
LEFT JOIN contradictions c ON c.run_id = t.run_id AND c.server = t.server AND c.id = t.id;
`;
