/**
 * The hot writes, one function and so one round trip each. A function holds its locks only while the server runs it, so a worker
 * that stands still in the middle (SIGSTOP, a paused virtual machine) blocks nobody who takes over.
 * A chunk is small and the tables grow between two ANALYZE runs, so the functions always look up by index: a plan made while a
 * table was empty would read all of it for every chunk (measured: from 2 ms to 8 ms within 600 targets).
 * Order of locks, the same everywhere: claims, groups by name, audit chain.
 */
export const writes = /* sql */ `
-- Appends one record to a hash chain. The text is built with its keys in order, which for strings and integers is RFC 8785:
-- to_json escapes exactly what JSON.stringify escapes.
CREATE FUNCTION offboil_audit(p_chain text, p_run text, p_at bigint, p_action text, p_user text, p_auth text, p_what text, p_details text[])
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  last record;
  next_seq integer;
  text_of text;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('offboil audit ' || p_chain, 0));
  SELECT a.seq, a.hash INTO last FROM audit a WHERE a.chain = p_chain ORDER BY a.seq DESC LIMIT 1;
  next_seq := coalesce(last.seq, 0) + 1;
  text_of := '{"action":' || to_json(p_action)
    || ',"actor":{"auth":' || to_json(p_auth) || ',"user":' || to_json(p_user) || '}'
    || ',"chain":' || to_json(p_chain)
    || coalesce(',"details":[' || (SELECT string_agg(to_json(d.word)::text, ',' ORDER BY d.place)
                                     FROM unnest(p_details) WITH ORDINALITY AS d (word, place)) || ']', '')
    || ',"id":' || to_json(p_chain || '#' || next_seq)
    || ',"prevHash":' || to_json(coalesce(last.hash, repeat('0', 64)))
    || ',"runId":' || to_json(p_run)
    || ',"seq":' || next_seq
    || ',"time":"' || to_char(timestamp 'epoch' + p_at * interval '1 millisecond', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') || '"'
    || coalesce(',"what":' || to_json(p_what), '') || '}';
  INSERT INTO audit (chain, seq, run_id, at, record, hash)
  VALUES (p_chain, next_seq, p_run, p_at, text_of, encode(sha256(convert_to(text_of, 'UTF8')), 'hex'));
END $$;

-- Lets only the newest claim go on, and keeps it the newest until the transaction ends.
CREATE FUNCTION offboil_guard(p_run text, p_wave integer, p_shard integer, p_epoch integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  newest integer;
BEGIN
  SELECT c.epoch INTO newest FROM claims c WHERE c.run_id = p_run AND c.wave = p_wave AND c.shard = p_shard FOR UPDATE;
  IF newest IS DISTINCT FROM p_epoch THEN
    RAISE EXCEPTION 'claim % is not the newest, % is', p_epoch, newest USING ERRCODE = 'OB001';
  END IF;
END $$;

-- The chunk's places that would take a group below its floor. Every intent locks its groups (shared without a floor of its own
-- policy), so that two runs cannot count past each other.
CREATE FUNCTION offboil_barred(p_run text, p_servers text[], p_ids text[]) RETURNS bigint[] LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  plan record;
  in_chunk record;
  taken integer;
  barred bigint[] := '{}';
BEGIN
  SELECT p.policy, p.group_members, coalesce((SELECT min(o.asked_at) FROM observations o
                                               WHERE o.run_id = p_run AND o.phase = 'discovery'), p.planned_at) AS seen_at
    INTO plan FROM plans p WHERE p.run_id = p_run;
  FOR in_chunk IN
    SELECT t.task_group, max(f.keep) AS keep
      FROM unnest(p_servers, p_ids) AS i (server, id)
      JOIN targets t ON t.run_id = p_run AND t.server = i.server AND t.id = i.id
      LEFT JOIN jsonb_to_recordset(plan.policy -> 'floors') AS f ("group" text, keep integer) ON f."group" = t.task_group
     WHERE t.task_group IS NOT NULL
     GROUP BY t.task_group ORDER BY t.task_group
  LOOP
    IF in_chunk.keep IS NULL THEN
      PERFORM pg_advisory_xact_lock_shared(hashtextextended('offboil group ' || in_chunk.task_group, 0));
      CONTINUE;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('offboil group ' || in_chunk.task_group, 0));
    -- requested by any run, but for what had ended before we looked: those we did not see as members
    SELECT count(DISTINCT (o.server, o.id)) INTO taken
      FROM targets t
      JOIN runs r ON r.run_id = t.run_id AND (r.run_id = p_run OR r.closed_at IS NULL OR r.closed_at >= plan.seen_at)
      JOIN outcomes o ON o.run_id = t.run_id AND o.server = t.server AND o.id = t.id
     WHERE t.task_group = in_chunk.task_group AND o.requests > 0 AND NOT (o.final AND o.at < plan.seen_at);
    barred := barred || ARRAY(
      SELECT q.place FROM (
        SELECT i.place, row_number() OVER (ORDER BY i.place) AS rank
          FROM unnest(p_servers, p_ids) WITH ORDINALITY AS i (server, id, place)
          JOIN targets t ON t.run_id = p_run AND t.server = i.server AND t.id = i.id AND t.task_group = in_chunk.task_group
          JOIN outcomes o ON o.run_id = p_run AND o.server = i.server AND o.id = i.id
         WHERE o.requests = 0
      ) q WHERE q.rank > (plan.group_members ->> in_chunk.task_group)::integer - taken - in_chunk.keep);
  END LOOP;
  RETURN barred;
END $$;

CREATE FUNCTION offboil_intend(p_run text, p_wave integer, p_shard integer, p_epoch integer, p_at bigint,
                               p_servers text[], p_ids text[], p_ns integer[], p_rungs text[])
RETURNS TABLE (server text, id text, verdict text) LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  barred bigint[];
  granted bigint[];
BEGIN
  PERFORM offboil_guard(p_run, p_wave, p_shard, p_epoch);
  barred := offboil_barred(p_run, p_servers, p_ids);
  -- only what this run still has reserved: a target with a final outcome, or of another run, is nobody's to stop here
  WITH mine AS (
    SELECT i.* FROM unnest(p_servers, p_ids, p_ns, p_rungs) WITH ORDINALITY AS i (server, id, n, rung, place)
      JOIN reservations v ON v.server = i.server AND v.id = i.id AND v.run_id = p_run
     WHERE i.place <> ALL (barred)
  ), written AS (
    INSERT INTO attempts (run_id, server, id, n, is_reply, kind, epoch, rung, at)
    SELECT p_run, m.server, m.id, m.n, false, 'intended', p_epoch, m.rung, p_at FROM mine m
    ON CONFLICT DO NOTHING RETURNING server, id, n
  )
  -- the same claim may ask twice, when the answer to its commit was lost
  SELECT array_agg(m.place ORDER BY m.place) INTO granted FROM mine m
   WHERE EXISTS (SELECT FROM written w WHERE w.server = m.server AND w.id = m.id AND w.n = m.n)
      OR (EXISTS (SELECT FROM attempts a WHERE a.run_id = p_run AND a.server = m.server AND a.id = m.id AND a.n = m.n
                     AND NOT a.is_reply AND a.epoch = p_epoch)
          AND NOT EXISTS (SELECT FROM attempts a WHERE a.run_id = p_run AND a.server = m.server AND a.id = m.id AND a.n = m.n
                             AND a.is_reply));
  IF cardinality(barred) > 0 THEN
    INSERT INTO evidence (run_id, server, id, epoch, at, what, outcome, final, late, ending)
    SELECT p_run, i.server, i.id, p_epoch, p_at,
           'the floor of group ' || t.task_group || ' forbids it: one member less would be below what the policy keeps', 'protected', true, false, false
      FROM unnest(p_servers, p_ids) WITH ORDINALITY AS i (server, id, place)
      JOIN targets t ON t.run_id = p_run AND t.server = i.server AND t.id = i.id
     WHERE i.place = ANY (barred)
    ON CONFLICT (run_id, server, id) WHERE final DO NOTHING;
    DELETE FROM reservations v USING unnest(p_servers, p_ids) WITH ORDINALITY AS i (server, id, place)
     WHERE v.run_id = p_run AND v.server = i.server AND v.id = i.id AND i.place = ANY (barred);
    PERFORM offboil_audit(p_run || '/' || p_wave || '/' || p_shard, p_run, p_at, 'target.protected', 'offboil', 'system', 'a floor forbids it',
      ARRAY(SELECT i.server || '/' || i.id FROM unnest(p_servers, p_ids) WITH ORDINALITY AS i (server, id, place)
             WHERE i.place = ANY (barred) ORDER BY i.place));
  END IF;
  IF cardinality(granted) > 0 THEN
    PERFORM offboil_audit(p_run || '/' || p_wave || '/' || p_shard, p_run, p_at, 'stop.intended', 'offboil', 'system', NULL,
      ARRAY(SELECT i.server || '/' || i.id || ' #' || i.n || ' ' || i.rung
              FROM unnest(p_servers, p_ids, p_ns, p_rungs) WITH ORDINALITY AS i (server, id, n, rung, place)
             WHERE i.place = ANY (granted) ORDER BY i.place));
  END IF;
  RETURN QUERY
    SELECT i.server, i.id, CASE WHEN i.place = ANY (granted) THEN 'granted' ELSE 'protected' END
      FROM unnest(p_servers, p_ids) WITH ORDINALITY AS i (server, id, place)
     WHERE i.place = ANY (granted) OR i.place = ANY (barred) ORDER BY i.place;
END $$;

CREATE FUNCTION offboil_answer(p_run text, p_wave integer, p_shard integer, p_epoch integer,
                               p_servers text[], p_ids text[], p_ns integer[], p_kinds text[], p_notes text[], p_ats bigint[])
RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  details text[];
BEGIN
  PERFORM offboil_guard(p_run, p_wave, p_shard, p_epoch);
  WITH written AS (
    INSERT INTO attempts (run_id, server, id, n, is_reply, kind, epoch, rung, at, note)
    SELECT p_run, i.server, i.id, i.n, true, i.kind, p_epoch, i.rung, i.at, i.note
      FROM (SELECT u.*, (SELECT a.rung FROM attempts a WHERE a.run_id = p_run AND a.server = u.server AND a.id = u.id AND a.n = u.n
                            AND NOT a.is_reply) AS rung
              FROM unnest(p_servers, p_ids, p_ns, p_kinds, p_notes, p_ats) AS u (server, id, n, kind, note, at)) i
     WHERE i.rung IS NOT NULL
    ON CONFLICT DO NOTHING RETURNING server, id, n, kind
  )
  SELECT array_agg(w.server || '/' || w.id || ' #' || w.n || ' ' || w.kind ORDER BY w.server, w.id, w.n) INTO details FROM written w;
  IF details IS NOT NULL THEN
    PERFORM offboil_audit(p_run || '/' || p_wave || '/' || p_shard, p_run, (SELECT max(a) FROM unnest(p_ats) a), 'stop.requested',
      'offboil', 'system', NULL, details);
  END IF;
END $$;

-- Evidence without a claim: confirm and skip, in their own transactions. A second final outcome is ignored.
CREATE FUNCTION offboil_evidence(p_chain text, p_run text, p_epoch integer, p_servers text[], p_ids text[], p_ats bigint[], p_whats text[],
                                 p_outcomes text[], p_finals boolean[], p_lates boolean[], p_rungs text[], p_endings boolean[])
RETURNS integer LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
DECLARE
  details text[];
  ended integer;
BEGIN
  WITH written AS (
    INSERT INTO evidence (run_id, server, id, epoch, at, what, outcome, final, late, rung, ending)
    SELECT p_run, i.server, i.id, p_epoch, i.at, i.what, i.outcome, i.final, i.late, i.rung, i.ending
      FROM unnest(p_servers, p_ids, p_ats, p_whats, p_outcomes, p_finals, p_lates, p_rungs, p_endings)
           WITH ORDINALITY AS i (server, id, at, what, outcome, final, late, rung, ending, place)
     ORDER BY i.place
    ON CONFLICT (run_id, server, id) WHERE final DO NOTHING RETURNING server, id, outcome, final
  ), released AS (
    DELETE FROM reservations v USING written w WHERE w.final AND v.run_id = p_run AND v.server = w.server AND v.id = w.id
  )
  SELECT array_agg(w.server || '/' || w.id || ' ' || w.outcome ORDER BY w.server, w.id) FILTER (WHERE w.outcome IS NOT NULL),
         count(*) FILTER (WHERE w.final)
    INTO details, ended FROM written w;
  IF details IS NOT NULL THEN
    PERFORM offboil_audit(p_chain, p_run, (SELECT max(a) FROM unnest(p_ats) a), 'target.outcome', 'offboil', 'system', NULL, details);
  END IF;
  RETURN ended;
END $$;

CREATE FUNCTION offboil_record(p_run text, p_wave integer, p_shard integer, p_epoch integer, p_servers text[], p_ids text[], p_ats bigint[],
                               p_whats text[], p_outcomes text[], p_finals boolean[], p_lates boolean[], p_rungs text[], p_endings boolean[],
                               p_snapshots jsonb[])
RETURNS void LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
  PERFORM offboil_guard(p_run, p_wave, p_shard, p_epoch);
  PERFORM offboil_evidence(p_run || '/' || p_wave || '/' || p_shard, p_run, p_epoch, p_servers, p_ids, p_ats, p_whats, p_outcomes, p_finals,
    p_lates, p_rungs, p_endings);
  INSERT INTO snapshots (run_id, server, id, at, detail)
  SELECT p_run, i.server, i.id, i.at, i.detail FROM unnest(p_servers, p_ids, p_ats, p_snapshots) AS i (server, id, at, detail)
   WHERE i.detail IS NOT NULL;
END $$;
`;
