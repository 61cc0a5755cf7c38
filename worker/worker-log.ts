import { ApplicationFailure } from '@temporalio/common';
import { DefaultLogger, type LogLevel, type LogMetadata, LogTimestamp } from '@temporalio/worker';
import { ERROR_CODES } from '../domain/errors.js';

/**
 * Temporal's own log, but for refusals and failures that Offboil foresees: one line with code and sentence, because where they
 * were thrown tells an operator nothing. What nobody foresaw keeps its stack.
 */
export class WorkerLog extends DefaultLogger {
  override log(level: LogLevel, message: string, meta: LogMetadata = {}): void {
    const line = plainLine(message, meta);
    const at: unknown = meta[LogTimestamp];
    super.log(level, line ?? message, line === undefined ? meta : { [LogTimestamp]: at });
  }
}

/** The SDK's messages when an activity or a workflow throws. */
function plainLine(message: string, { error, activityType, workflowId }: LogMetadata): string | undefined {
  if (!(error instanceof Error)) return undefined;
  switch (message) {
    case 'Activity failed': {
      const code = error instanceof ApplicationFailure ? error.type : undefined;
      if (code == null || !isForeseen(code)) return undefined;
      return `${String(activityType)} of ${String(workflowId)}: ${code}: ${oneLine(error.message)}`;
    }
    case 'Workflow failed':
      // it comes from the workflow's thread, on whose way an error keeps its stack and loses its class
      if (error.stack?.startsWith('ApplicationFailure: ') !== true || error.message.startsWith('INTERNAL: '))
        return undefined;
      return `${String(workflowId)} closes as failed: ${oneLine(error.message)}`;
    default:
      return undefined;
  }
}

function isForeseen(code: string): boolean {
  return code in ERROR_CODES && code !== 'INTERNAL';
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, ' ');
}
