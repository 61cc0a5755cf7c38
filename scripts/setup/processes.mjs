import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { delimiter, join } from 'node:path';

/**
 * The caller's environment without what `npm run` adds for the script it runs. Settings such as the registry or a proxy
 * (`npm_config_*`) are the caller's own and stay, but `--json` was meant for our program, not for the npm that we call.
 * @param {NodeJS.ProcessEnv} env
 * @returns {NodeJS.ProcessEnv}
 */
export function cleanEnvironment(env) {
  const added = /^(npm_(lifecycle|package|command|node_execpath)|npm_config_(json|loglevel|silent)$|INIT_CWD$)/i;
  return Object.fromEntries(Object.entries(env).filter(([name]) => !added.test(name)));
}

/**
 * Runs a program to its end, with what it says on our stderr.
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ cwd: string, env: NodeJS.ProcessEnv, timeoutMs?: number, stdout?: 'pipe' | 'inherit' }} options
 * @returns {Promise<{ code: number, printed: string, problem: string | undefined }>} `printed`: stdout, where it is a pipe;
 *   `problem`: why it did not start, or did not end by itself
 */
export function run(command, args, { cwd, env, timeoutMs, stdout }) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      env,
      stdio: ['ignore', stdout ?? 2, 2],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    let printed = '';
    child.stdout?.on('data', (part) => (printed += String(part)));
    child.once('error', (error) => {
      resolve({ code: 127, printed, problem: error.message });
    });
    child.once('close', (code, signal) => {
      const tooLong = timeoutMs !== undefined && signal === 'SIGKILL';
      resolve({
        code: exitCode(code, signal),
        printed,
        problem: tooLong ? `not done within ${timeoutMs / 1000} s` : undefined,
      });
    });
  });
}

/**
 * Hands over to a program: it has our terminal, and its exit code becomes ours.
 * @param {readonly string[]} args arguments of node, the program first
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<number>}
 */
export function handOver(args, env) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { env, stdio: 'inherit' });
    // Ctrl+C of a terminal reaches the program itself. Without a terminal (a supervisor, a script) the signal was sent to npm
    // or to us, and is passed on, once: npm passes on what the whole group may have got already.
    const onTerminal = [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY);
    const passed = new Set();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
      process.on(signal, () => {
        if ((signal === 'SIGINT' && onTerminal) || passed.has(signal)) return;
        passed.add(signal);
        child.kill(signal);
      });
    }
    child.once('error', (error) => {
      process.stderr.write(`${error.message}\n`);
      resolve(127);
    });
    child.once('close', (code, signal) => {
      resolve(exitCode(code, signal));
    });
  });
}

/** As a shell says it: 128 + n for a program that a signal ended. */
function exitCode(code, signal) {
  return code ?? 128 + constants.signals[signal];
}

/**
 * @param {string} name
 * @param {NodeJS.ProcessEnv} env
 * @returns {string | undefined} the first program of that name on the PATH
 */
export function onPath(name, env) {
  const names = process.platform === 'win32' ? [`${name}.exe`, `${name}.cmd`] : [name];
  const folders = (env.PATH ?? env.Path ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.flatMap((folder) => names.map((file) => join(folder, file))).find((file) => existsSync(file));
}

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @returns {string | undefined} what it printed on stdout and stderr, or undefined when it cannot be run or fails
 */
export function outputOf(command, args, env) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', env, timeout: 10_000 });
  return status === 0 ? stdout + stderr : undefined;
}
