import { readFile, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parse, stringify } from 'yaml';
import { createFleet } from '../../sandbox/index.js';
import { usePostgres } from '../support/postgres.js';
import { aServer, aTask, startSystem } from '../support/system.js';
import { foldersOfTest, runProgram } from './program.js';

const postgres = usePostgres();

/** Nobody listens there. */
const NOWHERE = '127.0.0.1:9';

describe('offboil estate check', { timeout: 120_000 }, () => {
  it('says in one line each what it found at every server and database, and exits with 2 when one was not reached', async () => {
    const { home } = foldersOfTest();
    const fleet = await createFleet({ servers: [aServer('good', [aTask('load_a')]), aServer('locked', [])] });
    onTestFinished(() => fleet.stop());
    const [good = '', locked = ''] = fleet.servers.map(({ url }) => url);
    const server = { engine: 'carte', user: 'cluster', password: '${env:CARTE_PASSWORD}', version: '8.3' };
    const estate = {
      servers: [
        { ...server, name: 'good', url: good },
        { ...server, name: 'locked', url: locked, password: 'wrong-secret' },
        { ...server, name: 'down', url: `http://${NOWHERE}/kettle` },
      ],
      databases: [{ name: 'warehouse', kind: 'postgresql', url: '${env:WAREHOUSE_URL}' }],
      tasks: [{ match: { name: '*' } }],
    };
    await writeFile(join(home, 'estate.yaml'), stringify(estate));
    const env = { CARTE_PASSWORD: 'cluster', WAREHOUSE_URL: postgres.url, TEMPORAL_ADDRESS: NOWHERE };
    const { exitCode, stdout, stderr } = await runProgram(
      ['offboil', 'estate', 'check', '--estate', join(home, 'estate.yaml')],
      { ...env, TEMPORAL_CONFIG_FILE: join(home, 'none.toml') },
    );
    expect(stdout.trim().split('\n')).toEqual([
      'ok  policy careful: waves 1, 5, 20%; confirm count',
      'ok  policy contain: waves 100%; confirm count',
      // Carte's replies carry no date, so its clock stays unknown
      expect.stringMatching(
        /^ok {2}server good: Carte 8\.3, dialect 8\.3 \(measured\), 1 task, can safe, stop, clock unknown; .*a restart under the same id is not seen/,
      ),
      'NO  server locked: locked refused the password of user "cluster". Nothing was done. Check its user and password in the estate.',
      'NO  server down: down refuses connections. Nothing was sent.',
      expect.stringMatching(
        /^ok {2}database warehouse: PostgreSQL \d+.*, may see sessions, end sessions, clock in step$/,
      ),
      `!   workers offboil: not compared: no Temporal server answers at ${NOWHERE}`,
      expect.stringMatching(/^not all reached: 3 servers, 1 contract, sha256:[0-9a-f]{64}$/),
    ]);
    expect(exitCode).toBe(2);
    expect(stdout + stderr).not.toContain('wrong-secret');
    expect((await fleet.log()).map(({ path }) => path)).not.toContainEqual(expect.stringMatching(/stop|start|remove/i));
  });

  it('refuses a wrong file with file, line, column, value and what was expected, asks nobody, and exits with 3', async () => {
    const { home } = foldersOfTest();
    const fleet = await createFleet({ servers: [aServer('good', [])] });
    onTestFinished(() => fleet.stop());
    const file = join(home, 'estate.yaml');
    await writeFile(file, `servers:\n  - name: good\n    engine: karte\n    url: ${fleet.servers[0]?.url ?? ''}\n`);
    const shown = await runProgram(['offboil', 'estate', 'check', '--estate', file, '--json'], {});
    expect(shown).toMatchObject({
      exitCode: 3,
      stderr: `${file}:3:13: servers[0].engine is "karte"; expected carte or hop. Nothing was read.\n`,
    });
    expect(JSON.parse(shown.stdout)).toMatchObject({ error: { code: 'ESTATE_INVALID' } });
    expect(await fleet.log()).toEqual([]);
  });

  it('says whether a running worker uses this estate, another one, or whether none runs', async () => {
    const system = await startSystem({ postgres, servers: [aServer('carte-a', [])], workers: 'none' });
    const check = async (file = system.estateFile): Promise<string[]> => {
      const { exitCode, stdout } = await runProgram(['offboil', 'estate', 'check', '--estate', file], system.env);
      expect(exitCode).toBe(0);
      return stdout.split('\n').filter((line) => line.includes('workers offboil'));
    };
    expect(await check()).toEqual([
      `!   workers offboil: not compared: no worker runs at ${system.address}, namespace ${system.namespace}`,
    ]);

    await system.workHere();
    const worker = `a running worker (${process.pid}@${hostname()})`;
    expect(await check()).toEqual([`ok  workers offboil: ${worker} uses this estate`]);

    const { home } = foldersOfTest();
    const other = { ...(parse(await readFile(system.estateFile, 'utf8')) as object), unmatched: { priority: 'low' } };
    await writeFile(join(home, 'other.yaml'), stringify(other));
    const [line = ''] = await check(join(home, 'other.yaml'));
    expect(line).toContain(`!   workers offboil: ${worker} uses another estate, sha256:`);
    expect(new Set(line.match(/sha256:[0-9a-f]{64}/g)).size).toBe(2);
  });
});
