import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Estate } from '../../domain/contracts/estate.js';
import { OffboilError } from '../../domain/errors.js';
import { readEstateFile } from '../../worker/estate-file.js';

let folder = '';
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'offboil-estate-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const SERVERS =
  'servers:\n  - { name: carte-1, engine: carte, url: "http://c/kettle" }\n  - { name: hop-1, engine: hop, url: "http://h/hop" }\n';

/** Reads an estate made of these files; the first is the main one. */
async function read(files: Readonly<Record<string, string>> | string): Promise<Estate> {
  count += 1;
  const own = join(folder, String(count));
  const named = typeof files === 'string' ? { 'offboil.yaml': files } : files;
  for (const [name, text] of Object.entries(named)) {
    await mkdir(dirname(join(own, name)), { recursive: true });
    await writeFile(join(own, name), text);
  }
  const { estate } = await readEstateFile(join(own, Object.keys(named)[0] ?? 'missing.yaml'));
  return estate;
}

/** What is said about a faulty estate, without the folder in front. */
async function faultsOf(files: Readonly<Record<string, string>> | string): Promise<string[]> {
  try {
    await read(files);
  } catch (error) {
    if (!(error instanceof OffboilError)) throw error;
    expect(error.code).toBe('ESTATE_INVALID');
    return error.message.split('\n').map((line) => line.replace(join(folder, String(count)) + '/', ''));
  }
  return [];
}

describe('an estate file', () => {
  it('is read with its defaults filled and its secrets still references', async () => {
    const estate = await read(
      'servers:\n  - { name: a, engine: carte, url: "http://a", user: u, password: "${env:P}" }\n',
    );
    expect(estate.servers).toMatchObject([{ password: '${env:P}', limits: { perServer: 4, timeout: '10s' } }]);
    expect(estate.unmatched).toEqual({ priority: 'core', confirm: 'approver' });
  });

  it('as the example shows it is valid', async () => {
    const { estate } = await readEstateFile('offboil.example.yaml');
    expect(estate.tasks).toHaveLength(3);
  });

  it('names file, line, column, value and expectation of every fault at once', async () => {
    const text = `servers:
  - name: a
    engine: karte
    url: htp:/x
    limits: { perServer: 0 }
  - { name: b, engine: carte }
tasks:
  - match: { name: x }
    priority: hihg
    compensate: { kind: reurn }
policies:
  p: { waves: [0, 300%], settle: 10 }
extra: 1
`;
    expect(await faultsOf(text)).toEqual([
      'offboil.yaml:3:13: servers[0].engine is "karte"; expected carte or hop.',
      'offboil.yaml:4:10: servers[0].url is "htp:/x"; expected an address such as https://host:8443/kettle.',
      'offboil.yaml:5:26: servers[0].limits.perServer is 0; expected at least 1.',
      'offboil.yaml:6:5: servers[1].url is missing; expected text.',
      'offboil.yaml:9:15: tasks[0].priority is "hihg"; expected low, normal, high or core.',
      'offboil.yaml:10:25: tasks[0].compensate.kind is "reurn"; expected rerun or manual.',
      'offboil.yaml:12:19: policies.p.waves[1] is "300%"; expected a share above zero such as 20%.',
      'offboil.yaml:12:16: policies.p.waves[0] is 0; expected at least 1.',
      'offboil.yaml:12:34: policies.p.settle is 10; expected a duration such as 500ms, 10s, 5m or 2h.',
      'offboil.yaml:13:1: extra is no field that is known here (its value is not shown: it may be a secret); expected servers, databases, tasks, unmatched, include, policies or notifiers.',
      'Nothing was read.',
    ]);
  });

  it('says so in one line when there is one fault', async () => {
    expect(await faultsOf(`${SERVERS}policies: { p: { extends: careful, climb: up } }\n`)).toEqual([
      'offboil.yaml:4:43: policies.p.climb is "up"; expected ask or auto. Nothing was read.',
    ]);
  });

  it('never shows what may be a secret', async () => {
    const text =
      'servers:\n  - { name: a, engine: carte, url: "http://u:geheim@a", user: x, password: 5 }\ndatabases:\n  - { name: w, kind: postgresql, url: "mysql://u:geheim@h/d" }\n';
    expect((await faultsOf(text)).join()).not.toContain('geheim');
    expect((await faultsOf(text.replace('password: 5', 'password: p'))).join()).not.toContain('geheim');
  });

  it('names the likely field and all that are known where one is misspelt, and never its value', async () => {
    const server = (rest: string): string => `servers:\n  - { name: a, engine: carte, url: "http://a", ${rest} }\n`;
    expect(await faultsOf(server('user: u, pasword: geheim'))).toEqual([
      'offboil.yaml:2:57: servers[0].pasword is no field that is known here (its value is not shown: it may be a secret); did you mean "password"? expected name, engine, url, user, password, version, timezone, site, labels, limits or tls. Nothing was read.',
    ]);
    expect(await faultsOf(server('limits: { perServr: 1 }'))).toEqual([
      expect.stringContaining('did you mean "perServer"? expected perServer or timeout.'),
    ]);
    expect(await faultsOf(`${SERVERS}tasks: [{ match: { name: x }, compensate: { kind: rerun, runn: x } }]\n`)).toEqual(
      [expect.stringContaining('did you mean "run"? expected kind, run or parameters.')],
    );
  });

  it('says what to write where YAML reads a text as a number', async () => {
    const text = `servers:
  - { name: a, engine: carte, url: "http://a", user: u, password: 4711, version: 5.4, limits: { timeout: 10 } }
tasks:
  - { match: { name: x }, group: true, stop: { within: 5 } }
`;
    expect((await faultsOf(text)).map((line) => line.replace(/^.*?: /, ''))).toEqual([
      'servers[0].password is ***; expected text in quotes.',
      "servers[0].version is 5.4; expected text such as '5.4' in quotes.",
      'servers[0].limits.timeout is 10; expected a duration above zero such as 500ms, 10s, 5m or 2h.',
      "tasks[0].group is true; expected text such as 'true' in quotes.",
      'tasks[0].stop.within is 5; expected a duration above zero such as 500ms, 10s, 5m or 2h.',
      'Nothing was read.',
    ]);
  });

  it.each([
    ['a request limit', SERVERS.replace('/kettle"', '/kettle", limits: { timeout: 0s }'), 'limits.timeout is "0s"'],
    ['a beat of looking', `${SERVERS}policies: { p: { verify: { every: 0ms } } }\n`, 'verify.every is "0ms"'],
    ['the time of a policy', `${SERVERS}policies: { p: { verify: { within: 0.0s } } }\n`, 'verify.within is "0.0s"'],
    ['the time of a contract', `${SERVERS}tasks: [{ match: { name: x }, stop: { within: 0s } }]\n`, 'within is "0s"'],
    ['a wave as a share', `${SERVERS}policies: { p: { waves: [0%] } }\n`, 'waves[0] is "0%"'],
  ])('is refused where %s is nothing', async (_, text, subject) => {
    expect(await faultsOf(text)).toEqual([expect.stringMatching(/^offboil\.yaml:\d+:\d+: .*above zero/)]);
    expect((await faultsOf(text)).join()).toContain(`${subject}; expected a`);
  });

  it('takes nothing for an answer where it means something', async () => {
    const policy = 'extends: careful, settle: 0s, watchAfter: 0s, verify: { linger: 0s }, gate: { failed: 0% }';
    expect(await faultsOf(`${SERVERS}policies: { p: { ${policy} } }\n`)).toEqual([]);
  });

  it('that is no YAML, repeats a key or multiplies anchors is refused with its place', async () => {
    expect((await faultsOf('servers:\n  - name: [\n'))[0]).toMatch(/^offboil\.yaml:\d+:\d+: /);
    expect((await faultsOf(`${SERVERS}servers: []\n`))[0]).toContain(
      'offboil.yaml:4:1: servers stands here once more; expected each field once.',
    );
    const bomb = [
      'a: &a [x, x]',
      ...'bcdefgh'
        .split('')
        .map(
          (key, index) =>
            `${key}: &${key} [*${'abcdefgh'[index] ?? ''}, *${'abcdefgh'[index] ?? ''}, *${'abcdefgh'[index] ?? ''}, *${'abcdefgh'[index] ?? ''}]`,
        ),
    ].join('\n');
    expect((await faultsOf(bomb)).join()).toContain('alias');
  });

  it('that cannot be read, or is empty, is refused', async () => {
    await expect(readEstateFile(join(folder, 'nowhere.yaml'))).rejects.toThrow(
      /nowhere\.yaml: it cannot be read \(ENOENT\)\.\nNothing was read\./,
    );
    expect((await faultsOf(''))[0]).toMatch(/the estate is null; expected a mapping/);
  });
});

describe('included files', () => {
  it('add their parts to the main file, in the order of their names', async () => {
    const estate = await read({
      'offboil.yaml': `${SERVERS}include: [contracts/*.yaml]\ntasks: [{ match: { name: main } }]\n`,
      'contracts/b.yaml': 'tasks: [{ match: { name: b } }]\n',
      'contracts/a.yaml': 'tasks: [{ match: { name: a } }]\npolicies: { p: { extends: careful } }\n',
      'contracts/notes.txt': 'not: [read',
    });
    expect(estate.tasks.map(({ match }) => match.name)).toEqual(['main', 'a', 'b']);
    expect(Object.keys(estate.policies)).toEqual(['p']);
    expect(estate.include).toEqual([]);
  });

  it('have their faults named in their own file', async () => {
    const faults = await faultsOf({
      'offboil.yaml': `${SERVERS}include: [team.yaml, nothing*.yaml]\npolicies: { p: { extends: careful } }\n`,
      'team.yaml':
        'tasks:\n  - match: { name: a }\n    priority: hihg\npolicies:\n  p: { extends: contain }\ninclude: [x]\n',
    });
    expect(faults.toSorted()).toEqual([
      'Nothing was read.',
      'offboil.yaml:4:22: include[1] is "nothing*.yaml"; expected a file that exists.',
      'team.yaml:3:15: tasks[0].priority is "hihg"; expected low, normal, high or core.',
      'team.yaml:5:3: policy p is defined twice.',
      'team.yaml:6:1: include stands in the main file only; an included file has servers, databases, tasks, notifiers, policies.',
    ]);
  });
});

describe('an estate is checked as a whole', () => {
  it('and takes servers that differ in scheme, port or path, or in the case of the path, for different ones', async () => {
    const urls = ['http://c/kettle', 'https://c/kettle', 'http://c:8080/kettle', 'http://c/Kettle', 'http://c'];
    const entries = urls.map((url, index) => `  - { name: s${index}, engine: carte, url: "${url}" }\n`);
    expect(await faultsOf(`servers:\n${entries.join('')}`)).toEqual([]);
  });

  const contract = (rest: string): string =>
    `${SERVERS}databases:\n  - { name: w, kind: postgresql, url: "\${env:W}" }\ntasks:\n  - { match: { name: x }, ${rest} }\n`;

  it.each([
    [
      'two servers of one name',
      `${SERVERS}  - { name: carte-1, engine: carte, url: "http://d" }\n`,
      '4:13: servers[2].name is "carte-1", as is servers[0].name',
    ],
    [
      'one server under two names',
      `${SERVERS}  - { name: carte-2, engine: carte, url: "HTTP://C:80/x/../kettle//" }\n`,
      '4:42: servers[2].url is "HTTP://C:80/x/../kettle//", the same server as servers[0]; expected an address of its own',
    ],
    [
      'one server under two names, without showing a password in its address',
      `${SERVERS}  - { name: carte-2, engine: carte, url: "http://u:p@c/kettle" }\n`,
      'servers[2].url is ***, the same server as servers[0]',
    ],
    [
      'a pattern that cannot be compiled',
      contract('tags: [t]').replace('name: x', 'name: /(/'),
      '7:22: tasks[0].match.name cannot be used: The pattern /(/',
    ],
    [
      'a server that no contract can mean',
      contract('tags: [t]').replace('name: x', 'name: x, servers: [hop-9]'),
      'tasks[0].match.servers[0] cannot be used: no server is named hop-9',
    ],
    [
      'a check on an unknown database',
      contract('checks: [{ name: c, database: v, query: q, expect: { rows: 0 } }]'),
      'tasks[0].checks[0].database is "v"; expected w',
    ],
    [
      'sessions on an unknown database',
      contract('sessions: [{ database: v, applicationName: a }]'),
      'tasks[0].sessions[0].database is "v"',
    ],
    [
      'a table in an unknown database',
      contract('writes: [{ database: v, table: t }]'),
      'tasks[0].writes[0].database is "v"',
    ],
    [
      'two checks of one name',
      contract(
        'checks: [{ name: c, database: w, query: q, expect: { rows: 0 } }, { name: c, database: w, query: r, expect: { rows: 0 } }]',
      ),
      'tasks[0].checks[1].name is "c" once more',
    ],
    [
      'a rollback without sessions',
      contract('stop: { ladder: [rollback] }'),
      'tasks[0].stop.ladder has rollback, but the contract declares no sessions',
    ],
    ['a rerun of the held object on Hop', contract('compensate: { kind: rerun }'), 'impossible on hop-1 (Hop)'],
    [
      'a rerun on Hop that is no Hop file',
      contract('compensate: { kind: rerun, run: /etl/x }'),
      'expected a .hpl or .hwf file',
    ],
    [
      'parameters without a path',
      contract('compensate: { kind: rerun, parameters: { A: b } }').replace('name: x', 'name: x, kind: job'),
      'parameters need run',
    ],
    [
      'a parameter from an unknown database',
      contract('compensate: { kind: rerun, run: a.hpl, parameters: { A: "${sql:v:SELECT 1}" } }'),
      'tasks[0].compensate.parameters.A is "v"',
    ],
    [
      'a path on a Carte that cannot run one',
      `servers:\n  - { name: a, engine: carte, url: "http://a", version: 4.4.0 }\ntasks:\n  - { match: { name: x }, compensate: { kind: rerun, run: /x } }\n`,
      'impossible on a: Carte 4.4.0',
    ],
    [
      'a floor of an unknown group',
      `${SERVERS}policies: { p: { extends: careful, floors: [{ group: g, keep: 1 }] } }\n`,
      'policies.p.floors[0].group is "g"',
    ],
    [
      'a policy under a built-in name',
      `${SERVERS}policies: { careful: { extends: contain } }\n`,
      'policies.careful is built in',
    ],
    [
      'a policy that extends nothing known',
      `${SERVERS}policies: { p: { extends: q } }\n`,
      'policies.p: Policy p extends q, which does not exist',
    ],
    [
      'a reference that does not stand alone',
      'servers:\n  - { name: a, engine: carte, url: "http://a", user: u, password: "x${env:P}" }\n',
      'servers[0].password is no whole reference',
    ],
    [
      'a password without a user',
      'servers:\n  - { name: a, engine: carte, url: "http://a", password: p }\n',
      'servers[0].password has no user',
    ],
    [
      'a certificate without its key',
      'servers:\n  - { name: a, engine: carte, url: "https://a", tls: { cert: c } }\n',
      'only one of cert and key',
    ],
    [
      'TLS settings without TLS',
      'servers:\n  - { name: a, engine: carte, url: "http://a", tls: { ca: c } }\n',
      'its url is not https',
    ],
    [
      'an unknown time zone',
      'servers:\n  - { name: a, engine: carte, url: "http://a", timezone: Mars/Base }\n',
      'expected an IANA zone',
    ],
    [
      'a database that is no PostgreSQL',
      `${SERVERS}databases: [{ name: w, kind: postgresql, url: "mysql://h/d" }]\n`,
      'databases[0].url is ***; expected postgresql://',
    ],
    [
      'a notifier’s secret that is no key',
      `${SERVERS}notifiers: [{ name: n, kind: webhook, url: "https://h", secret: "short" }]\n`,
      'notifiers[0].secret is ***; expected base64',
    ],
  ])('and refused for %s, with the place', async (_, text, expected) => {
    const faults = await faultsOf(text);
    expect(faults[0]).toMatch(/^offboil\.yaml:\d+:\d+: /);
    expect(faults.join('\n')).toContain(expected);
  });
});

describe('the zone of a server', () => {
  const zoned = (zone: string): string => SERVERS.replace('/kettle"', `/kettle", timezone: ${zone}`);

  it.each(['CST', 'BST', 'IST', '"+08:00"'])('is no abbreviation and no offset: %s', async (zone) => {
    expect(await faultsOf(zoned(zone))).toEqual([
      expect.stringMatching(/^offboil\.yaml:2:\d+: servers\[0\]\.timezone is ".*expected an IANA zone/),
    ]);
  });

  it.each(['Asia/Shanghai', 'America/Argentina/Ushuaia', 'UTC'])('is an IANA name: %s', async (zone) => {
    expect(await faultsOf(zoned(zone))).toEqual([]);
  });
});
