import { execFile, execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, vi } from 'vitest';
import {
  identify,
  isAlive,
  type ProcessIdentity,
  signalProcess,
} from '../../adapters/ledger/embedded/process-identity.js';

/** A process that a program has started, itself included. */
export interface Member extends ProcessIdentity {
  readonly command: string;
}

/** A program of ours as a user starts it: a process of its own, through the set-up. */
export interface Program {
  /** What it has printed so far. */
  readonly printed: { stdout: string; stderr: string };
  /** As a shell says it: 128 and the number of the signal that ended it. */
  readonly exitCode: Promise<number>;
  /** The first of what it says on stderr that fits. */
  says(pattern: RegExp): Promise<RegExpExecArray>;
  /** All processes that belong to it now. */
  family(): Member[];
  /** As Ctrl+C without a terminal, or a supervisor, does it. */
  signal(signal: NodeJS.Signals): void;
  /** As a shell or a supervisor does it that signals every process; needs `ownGroup`. */
  signalGroup(signal: NodeJS.Signals): void;
}

/** Folders for what a program keeps (`OFFBOIL_HOME`) and for what it throws away (`TMPDIR`), which PostgreSQL's account can enter. */
export function foldersOfTest(): { readonly home: string; readonly temporary: string } {
  const [home, temporary] = ['home', 'tmp'].map((name) => {
    const folder = mkdtempSync(join(tmpdir(), `offboil-${name}-`));
    chmodSync(folder, 0o711);
    onTestFinished(() => {
      rmSync(folder, { recursive: true, force: true });
    });
    return folder;
  }) as [string, string]; // one for each name
  return { home, temporary };
}

/** Starts `node scripts/setup.mjs …`. What is left of it when the test ends is killed. */
export function startProgram(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  { ownGroup = false }: { readonly ownGroup?: boolean } = {},
): Program {
  const child = spawn(process.execPath, ['scripts/setup.mjs', ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: ownGroup,
  });
  const printed = { stdout: '', stderr: '' };
  child.stdout.on('data', (part: Buffer) => (printed.stdout += part.toString()));
  child.stderr.on('data', (part: Buffer) => (printed.stderr += part.toString()));
  const seen = new Map<number, Member>();
  const family = (): Member[] => {
    const members = familyOf(child.pid ?? 0);
    for (const member of members) seen.set(member.pid, member);
    return members;
  };
  onTestFinished(() => {
    if (child.exitCode === null) family();
    for (const member of seen.values()) signalProcess(member, 'SIGKILL');
  });
  return {
    printed,
    family,
    exitCode: new Promise((resolve) => {
      child.once('close', (code) => {
        resolve(code ?? -1); // the set-up itself is ended by nobody
      });
    }),
    async says(pattern) {
      const look = (): RegExpExecArray => {
        const found = pattern.exec(printed.stderr);
        if (found === null) throw new Error(`not said: ${String(pattern)}. Said so far: ${printed.stderr}`);
        return found;
      };
      const found = await vi.waitFor(look, { timeout: 120_000, interval: 50 });
      family();
      return found;
    },
    signal: (signal) => child.kill(signal),
    signalGroup(signal) {
      if (child.pid !== undefined) process.kill(-child.pid, signal);
    },
  };
}

/** Runs a program to its end. */
export async function runProgram(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ readonly exitCode: number; readonly stdout: string; readonly stderr: string }> {
  const program = startProgram(args, env);
  return { exitCode: await program.exitCode, ...program.printed };
}

/** A PATH with the suite's Temporal CLI under the name that people type. */
export function pathWithTemporal(): string {
  const folder = mkdtempSync(join(tmpdir(), 'offboil-bin-'));
  onTestFinished(() => {
    rmSync(folder, { recursive: true });
  });
  symlinkSync(process.env['TEMPORAL_CLI_PATH'] ?? '', join(folder, 'temporal'));
  return `${folder}:${process.env['PATH'] ?? ''}`;
}

/** Runs a line of a shell to its end. */
export async function runInShell(
  line: string,
  { env, cwd }: { readonly env: NodeJS.ProcessEnv; readonly cwd?: string },
): Promise<{ readonly exitCode: number; readonly stdout: string; readonly stderr: string }> {
  return new Promise((resolve) => {
    const child = execFile('bash', ['-ec', line], { env, cwd }, (_, stdout, stderr) => {
      resolve({ exitCode: child.exitCode ?? -1, stdout, stderr });
    });
  });
}

/** The process and all below it, also those that run detached. */
function familyOf(root: number): Member[] {
  const lines = execFileSync('ps', ['-axo', 'pid=,ppid=,args='], { encoding: 'utf8' }).trim().split('\n');
  const processes = lines.map((line) => {
    const [pid = '', parent = '', ...command] = line.trim().split(/\s+/);
    return { pid: Number(pid), parent: Number(parent), command: command.join(' ') };
  });
  const below = (pid: number): typeof processes =>
    processes.filter(({ parent }) => parent === pid).flatMap((one) => [one, ...below(one.pid)]);
  const own = processes.filter(({ pid }) => pid === root);
  return [...own, ...below(root)].flatMap(({ pid, command }) => {
    const identity = identify(pid); // `ps` itself has ended meanwhile
    return identity === undefined ? [] : [{ ...identity, command }];
  });
}

/** The program and all that it started have ended. */
export function expectNoneAlive(family: readonly Member[]): void {
  expect(family.filter(isAlive).map(({ command }) => command)).toEqual([]);
}

/** Files below the temporary folder; the copy of PostgreSQL's binaries is kept for the next start. */
export function filesLeft(temporary: string): string[] {
  return readdirSync(temporary, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map(({ parentPath, name }) => join(parentPath, name).slice(temporary.length + 1))
    .filter((file) => !file.startsWith('offboil-postgresql-'));
}

export async function isListening(address: string): Promise<boolean> {
  const { hostname, port } = new URL(address.includes('//') ? address : `tcp://${address}`);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    socket.once('error', () => {
      resolve(false);
    });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
