#!/usr/bin/env node
import { OffboilClient } from '../index.js';
import { runCli } from './run-cli.js';
import { runProgram } from './worker-programs.js';

// Ctrl+C detaches; whoever presses it twice does not want to wait for our goodbye.
const interrupt = new AbortController();
const detach = (): void => {
  if (interrupt.signal.aborted) process.exit(130);
  interrupt.abort();
};
process.on('SIGINT', detach);

// Whoever reads us through `head` has seen enough: nobody is told any more, and the exit code is still the run's.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

process.exitCode = await runCli(process.argv.slice(2), {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  interrupt,
  connect: (options) => OffboilClient.connect(options),
  runProgram(...given) {
    const ended = runProgram(...given);
    process.off('SIGINT', detach); // its clean-up is waited for, however often somebody presses
    return ended;
  },
});
