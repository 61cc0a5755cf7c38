/**
 * Lets the SDK fetch its own Temporal CLI into the folder given as argument: it does so when it starts a server with it.
 * A program of its own, so that its time can be limited and its native runtime ends with it.
 */
import { TestWorkflowEnvironment } from '@temporalio/testing';

try {
  const executable = { type: 'cached-download', downloadDir: process.argv[2] };
  const environment = await TestWorkflowEnvironment.createLocal({ server: { executable } });
  await environment.teardown();
} catch (error) {
  process.stdout.write(String(error).split('\n')[0]);
  process.exitCode = 1;
}
