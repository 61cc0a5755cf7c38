import { execFileSync } from 'node:child_process';
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { say } from './say.mjs';

/**
 * Does the work while no other process holds the lock. A lock whose owner is gone is taken over: process id *and* start time
 * must match, for ids are used again.
 * @template T
 * @param {string} file
 * @param {() => Promise<T>} work
 * @returns {Promise<T>}
 */
export async function withLock(file, work) {
  mkdirSync(dirname(file), { recursive: true });
  const mine = JSON.stringify({ pid: process.pid, started: startOf(process.pid) });
  for (let told = false; !take(file, mine); await sleep(100)) {
    const owner = read(file);
    if (owner === undefined) continue; // just released
    if (!isHeld(owner)) release(file, owner);
    else if (!told) {
      told = true;
      say(`another set-up of this folder is at work (${owner}), waiting for it`);
    }
  }
  try {
    return await work();
  } finally {
    release(file, mine);
  }
}

/** A link, because it appears with its content or not at all. */
function take(file, mine) {
  const draft = `${file}.${process.pid}`;
  writeFileSync(draft, mine);
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

/** Removes the lock of this owner and no other: between our look and our hand somebody else may have taken it over. */
function release(file, owner) {
  const aside = `${file}.${process.pid}.released`;
  try {
    renameSync(file, aside);
    if (read(aside) !== owner) linkSync(aside, file);
  } catch (error) {
    if (error.code !== 'ENOENT' && error.code !== 'EEXIST') throw error;
  } finally {
    rmSync(aside, { force: true });
  }
}

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function isHeld(owner) {
  try {
    const { pid, started } = JSON.parse(owner);
    return startOf(pid) === started;
  } catch {
    return false; // nobody of ours wrote that
  }
}

/** When the process started, in the system's own words; undefined when it is gone. */
function startOf(pid) {
  try {
    if (process.platform === 'linux')
      return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1).split(' ')[19];
    process.kill(pid, 0);
    if (process.platform === 'win32') return 'unknown';
    return execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim();
  } catch {
    return undefined;
  }
}
