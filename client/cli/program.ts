import { addMessages } from './commands/messages.js';
import { addPlan } from './commands/plan.js';
import { addPrograms } from './commands/programs.js';
import { addPs } from './commands/ps.js';
import { addReport } from './commands/report.js';
import { addRuns } from './commands/runs.js';
import { addStop } from './commands/stop.js';
import { addWatch } from './commands/watch.js';
import { createRoot, type Root } from './root.js';
import type { Session } from './session.js';

/** The whole command line, ready to parse. Errors are thrown, nothing ends the process. */
export function createProgram(session: Session): Root {
  const root = createRoot(session);
  addPrograms(root, session);
  addRuns(root, session);
  addPs(root, session);
  addPlan(root, session);
  addStop(root, session);
  addWatch(root, session);
  addMessages(root, session);
  addReport(root, session);
  return root;
}
