import type { PlanBrief } from '../../activities/plan-run.js';
import type { Progress } from '../../domain/contracts/messages.js';
import type { TerminationRequest } from '../../domain/contracts/request.js';
import { OUTCOMES } from '../../domain/outcomes.js';
import { plainMarkdown } from '../../domain/wording.js';

/** The Markdown that the Web UI shows as current details: who and why, where it stands, what it waits for. */
export function detailsOf(request: TerminationRequest, progress: Progress, plan: PlanBrief | undefined): string {
  const { phase, waits, wave, waves, planned, requested, proven, outcomes, etaSeconds } = progress;
  const counts = OUTCOMES.flatMap((outcome) =>
    outcomes[outcome] === undefined ? [] : [`${outcome} ${outcomes[outcome]}`],
  );
  const lines = [
    `**${plainMarkdown(request.reason)}**`,
    `asked by ${plainMarkdown(request.requestedBy)} · mode ${request.mode} · policy ${plainMarkdown(request.policy)}${request.emergency ? ' · EMERGENCY' : ''}`,
    '',
    '| phase | wave | planned | requested | proven | outcomes | left |',
    '|---|---|---|---|---|---|---|',
    `| ${phase} | ${wave}/${waves} | ${planned} | ${requested} | ${proven} | ${counts.join(', ') || '–'} | ${eta(etaSeconds)} |`,
  ];
  if (waits !== undefined) {
    lines.push(
      '',
      `**Waits:** ${plainMarkdown(waits.reason)}${waits.until === undefined ? '' : ` (until ${waits.until})`}`,
    );
    lines.push(...waits.answers.map((answer) => `- \`${answer}\``));
  }
  if (plan !== undefined) {
    lines.push('', '| wave | priority | targets | servers |', '|---|---|---|---|');
    lines.push(
      ...plan.waves
        .slice(0, MOST_WAVES)
        .map((one, index) => `| ${index + 1} | ${one.priority} | ${one.targets} | ${one.servers} |`),
    );
  }
  return lines.join('\n');
}

/** The details may hold 20,000 bytes. */
const MOST_WAVES = 60;

function eta(seconds: number | undefined): string {
  return seconds === undefined ? '–' : `about ${seconds} s`;
}
