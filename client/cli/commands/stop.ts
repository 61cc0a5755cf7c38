import { z } from 'zod';
import { OffboilError } from '../../../domain/errors.js';
import { parseRequest } from '../../../domain/contracts/request.js';
import { followRun } from '../follow/follow-run.js';
import { type Root, withClient } from '../root.js';
import { addRequestOptions, askPolicy, type RequestFlags, writeRequest } from '../request-flags.js';
import type { Session } from '../session.js';
import { showPlan } from './plan.js';

const ownFlags = z.looseObject({ yes: z.boolean().default(false), detach: z.boolean().default(false) });

/** `offboil stop`: plan, confirm, stop in waves, prove. */
export function addStop(root: Root, session: Session): void {
  const { say } = session;
  const command = root.command('stop').description(say('help.stop')).argument('[request]', say('help.request'));
  addRequestOptions(command, session);
  command
    .option('--dry-run', say('help.dryRun'))
    .option('--yes', say('help.yes'))
    .option('--detach', say('help.detach'))
    .action(async (file, flags: RequestFlags) => stop(root, session, file, flags));
}

async function stop(root: Root, session: Session, file: string | undefined, flags: RequestFlags): Promise<void> {
  const { screen, say } = session;
  const { yes, detach } = ownFlags.parse(flags);
  const written = await writeRequest(session, file, flags);
  if (written['dryRun'] !== true && !screen.canAsk && !yes) {
    throw new OffboilError('CONFIRMATION_MISSING', say('stop.noTerminal'));
  }
  await askPolicy(session, written);
  const request = parseRequest(written);
  if (request.dryRun) return showPlan(root, session, request);
  await withClient(root, session, async (client) => {
    const handle = await client.start({ ...request, dryRun: false });
    const by = request.requestedBy;
    await followRun(session, {
      handle,
      consent: { kind: yes ? 'yes' : 'ask', by, everything: request.everything },
      detach,
    });
  });
}
