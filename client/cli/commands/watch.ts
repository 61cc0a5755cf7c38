import { followRun } from '../follow/follow-run.js';
import { type Root, withClient } from '../root.js';
import type { Session } from '../session.js';

/** `offboil watch RUN`: follows a run; exits with the run's code. */
export function addWatch(root: Root, session: Session): void {
  const { say } = session;
  root
    .command('watch')
    .description(say('help.watch'))
    .argument('<run>', say('help.run'))
    .action(async (run) =>
      withClient(root, session, async (client) => followRun(session, { handle: client.handle(run) })),
    );
}
