import type { Database, Engine, Notifier } from '../domain/ports.js';

/** Builds on first use; a build that failed is tried again at the next use, because a secret may be there by then. */
function once<T>(build: () => Promise<T>): () => Promise<T> {
  let built: Promise<T> | undefined;
  return () => {
    built ??= build().catch((error: unknown) => {
      built = undefined;
      throw error;
    });
    return built;
  };
}

/** An engine whose references are resolved when it is first asked. */
export function lazyEngine(build: () => Promise<Engine>): Engine {
  const engine = once(build);
  return {
    probe: async (signal) => (await engine()).probe(signal),
    list: async (signal) => (await engine()).list(signal),
    inspect: async (ref, signal) => (await engine()).inspect(ref, signal),
    stop: async (ref, step, signal) => (await engine()).stop(ref, step, signal),
    start: async (what, parameters, mayLeave, signal) => (await engine()).start(what, parameters, mayLeave, signal),
  };
}

/** A database whose URL is resolved when it is first asked. */
export function lazyDatabase(build: () => Promise<Database>): Database {
  const database = once(build);
  return {
    probe: async (signal) => (await database()).probe(signal),
    query: async (sql, limits, signal) => (await database()).query(sql, limits, signal),
    sessions: async (match, signal) => (await database()).sessions(match, signal),
    endSession: async (session, mayLeave, signal) => (await database()).endSession(session, mayLeave, signal),
  };
}

/** A notifier whose secret is resolved when it is first used. */
export function lazyNotifier(build: () => Promise<Notifier>): Notifier {
  const notifier = once(build);
  return { send: async (event, signal) => (await notifier()).send(event, signal) };
}
