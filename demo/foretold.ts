import type { Report } from '../client/index.js';
import { demoForetold, type AfterStop } from '../sandbox/index.js';

/** What the report must say of a task that behaves so. */
const OUTCOMES: Readonly<Record<AfterStop, readonly string[]>> = {
  'never started': ['left'],
  'goes on': ['unconfirmed'],
  'halts until its session ends': ['stoppedByForce'],
  'ended before the stop': ['alreadyEnded'],
  'ends and comes back': ['stopped'],
  'ends within two seconds': ['stopped'],
};

/** Compares the report with what the scenario foretells. @returns one sentence for each difference */
export function differences(report: Report): string[] {
  const said = new Map<string, string>();
  for (const { server, name } of report.left) said.set(`${server}/${name}`, 'left');
  for (const { server, name, outcome } of report.results) said.set(`${server}/${name}`, outcome);
  const awkward = demoForetold.flatMap(({ server, name, afterStop }) => {
    const outcome = said.get(`${server}/${name}`) ?? 'not named';
    return OUTCOMES[afterStop].includes(outcome)
      ? []
      : [`${name} on ${server} ${afterStop}, and the report says ${outcome}`];
  });
  const named = new Set(demoForetold.map(({ server, name }) => `${server}/${name}`));
  const plain = report.results
    .filter(({ server, name, outcome }) => !named.has(`${server}/${name}`) && outcome !== 'stopped')
    .map(
      ({ server, name, outcome, evidence }) =>
        `${name} on ${server} stops at once, and the report says ${outcome} (${evidence.at(-1)?.what ?? ''})`,
    );
  const back = demoForetold.filter(({ afterStop }) => afterStop === 'ends and comes back');
  const unseen = back
    .filter(({ name }) => !report.cameBack.some((one) => one.name === name))
    .map(({ name }) => `${name} came back, and the report does not name it`);
  const touched = report.results
    .filter(({ name }) => name.startsWith('payments_'))
    .map(({ name }) => `${name} was excepted, and is a target`);
  const { disturbed } = report.bystanders;
  const code = report.exitCode === 2 ? [] : [`exit code ${report.exitCode}, expected 2: one task ignores every stop`];
  return [
    ...awkward,
    ...plain,
    ...unseen,
    ...touched,
    ...code,
    ...(disturbed > 0 ? [`${disturbed} bystanders were disturbed`] : []),
  ];
}
