import { describe, expect, it } from 'vitest';
import { personalities } from '../../sandbox/personalities.js';
import type { PersonalityName } from '../../sandbox/index.js';
import { usePostgres } from '../support/postgres.js';
import { aServer, aTask, startSystem, type System } from '../support/system.js';

/** The version that people declare of a server which behaves so; two are left undeclared. */
const DECLARED: Readonly<Record<PersonalityName, string | undefined>> = {
  '5.4': '5.4.0.1',
  '6.1': '6.1',
  '7.0': '7.0',
  '7.1': '7.1',
  '8.0': '8.0',
  '8.1': '8.1',
  '8.2': '8.2',
  '8.3': '8.3',
  '8.3.0.25': undefined,
  '9.1': '9.1',
  '9.4': '9.4',
  '10.2': undefined,
  '11.1': '11.1',
};

const VERSIONS = Object.keys(personalities) as PersonalityName[]; // the keys of the table itself

function nameOf(version: PersonalityName): string {
  return `carte-${version.replaceAll('.', '-')}`;
}

describe('tasks that log while they are stopped, on every version at once', () => {
  const postgres = usePostgres();
  const aFleet = (): Promise<System> =>
    startSystem({
      postgres,
      servers: VERSIONS.map((version) =>
        aServer(
          nameOf(version),
          [
            aTask('load_orders', { id: `${version}-orders`, startedSecondsAgo: 1200, traits: { logsEveryMs: 100 } }),
            aTask('load_silent', { id: `${version}-silent`, startedSecondsAgo: 1200 }),
            aTask('load_young', { id: `${version}-young`, startedSecondsAgo: 1, traits: { logsEveryMs: 100 } }),
            aTask('keeps_on', { id: `${version}-bystander`, startedSecondsAgo: 1200, traits: { logsEveryMs: 100 } }),
          ],
          { personality: version },
        ),
      ),
      entries: Object.fromEntries(
        VERSIONS.map((version) => [
          nameOf(version),
          { timezone: 'UTC', ...(DECLARED[version] === undefined ? {} : { version: DECLARED[version] }) },
        ]),
      ),
      estate: { policies: { watched: { extends: 'quick', watchAfter: '1s' } } },
    });

  it('are all proven ended with one request each; nothing came back and every bystander went on', async () => {
    const system = await aFleet();

    const { report } = await system.run({ select: { names: ['load_*'] }, policy: 'watched' });

    const wrong = report.results.filter(({ outcome, requests }) => outcome !== 'stopped' || requests !== 1);
    expect(wrong).toEqual([]);
    expect(report.results).toHaveLength(3 * VERSIONS.length);
    expect(report.cameBack).toEqual([]);
    expect(report.bystanders).toMatchObject({ undisturbed: VERSIONS.length, disturbed: 0, unknown: 0 });
    expect(report).toMatchObject({ end: 'completed', exitCode: 0 });
  });

  it('are chosen by how long they run, wherever the start stands', async () => {
    const system = await aFleet();

    const { report } = await system.run({ select: { names: ['load_*'], runningFor: '10m' } });

    const stopped = report.results.map(({ id }) => id).sort();
    expect(stopped).toEqual(VERSIONS.flatMap((version) => [`${version}-orders`, `${version}-silent`]).sort());
    expect(report.left).toEqual([]);
    expect(report.exitCode).toBe(0);
  });
});

describe('a request for tasks that run for long, where a start cannot be told', () => {
  const postgres = usePostgres();

  it('names them and is not green', async () => {
    const system = await startSystem({
      postgres,
      servers: [aServer('carte-1', [aTask('load_orders', { startedSecondsAgo: 1200 })], { personality: '9.4' })],
      entries: { 'carte-1': { version: '9.4', timezone: undefined } },
    });

    const { report } = await system.run({ select: { names: ['load_*'], runningFor: '10m' } });

    expect(report).toMatchObject({ end: 'incomplete', exitCode: 2, targets: 0 });
    expect(report.left).toMatchObject([{ name: 'load_orders', code: 'startUnknown' }]);
  });
});
