import type { Contract, Estate } from '../../domain/contracts/estate.js';
import { OffboilError } from '../../domain/errors.js';
import { BUILT_IN_POLICIES, resolvePolicy } from '../../domain/planning/policies.js';
import { checkContract } from './check-contract.js';
import type { EstatePath, Fault } from './fault.js';
import { referenceKind } from '../secrets.js';

/** What the contract alone cannot tell: names that must exist or be unique, and what the engines cannot do. All faults at once. */
export function checkEstate(estate: Estate): Fault[] {
  return [
    ...(['servers', 'databases', 'notifiers'] as const).flatMap((list) => duplicates(list, estate[list])),
    ...sameServers(estate.servers),
    ...estate.servers.flatMap(checkServer),
    ...estate.databases.flatMap(({ url }, index) => checkDatabase(url, ['databases', index, 'url'])),
    ...estate.notifiers.flatMap(checkNotifier),
    ...estate.tasks.flatMap((contract: Contract, index) => checkContract(contract, ['tasks', index], estate)),
    ...Object.keys(estate.policies).flatMap((name) => checkPolicy(name, estate)),
  ];
}

function duplicates(list: string, entries: readonly { readonly name: string }[]): Fault[] {
  return entries.flatMap(({ name }, index) => {
    const first = entries.findIndex((entry) => entry.name === name);
    if (first === index) return [];
    return [
      {
        path: [list, index, 'name'],
        text: `${list}[${index}].name is "${name}", as is ${list}[${first}].name; expected a name of its own`,
      },
    ];
  });
}

/** One server under two names has every task twice: in the count, and in the hands of two runs at once. */
function sameServers(servers: Estate['servers']): Fault[] {
  const addresses = servers.map(({ url }) => addressOf(url));
  return servers.flatMap(({ url }, index) => {
    const first = addresses.indexOf(addresses[index] ?? '');
    if (first === index) return [];
    const text = `servers[${index}].url is ${url.includes('@') ? '***' : `"${url}"`}, the same server as servers[${first}]; expected an address of its own`;
    return [{ path: ['servers', index, 'url'], text }];
  });
}

/** What requests go to: scheme and host in lower case, without the default port and slashes at the end. */
function addressOf(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname.replace(/\/+$/, '')}`;
}

function checkServer({ url, user, password, tls, timezone }: Estate['servers'][number], index: number): Fault[] {
  const path = ['servers', index];
  const faults: Fault[] = [];
  const fault = (field: string, text: string): void =>
    void faults.push({ path: [...path, field], text: `servers[${index}].${field} ${text}` });
  const address = new URL(url);
  if (address.username !== '' || address.password !== '')
    fault('url', 'holds a user or password; expected them in user and password');
  if (password !== undefined && user === undefined) fault('password', 'has no user beside it');
  if (tls !== undefined && address.protocol !== 'https:') fault('tls', 'is given, but its url is not https');
  if (tls !== undefined && (tls.cert === undefined) !== (tls.key === undefined))
    fault('tls', 'has only one of cert and key; expected both or none');
  if (timezone !== undefined && !isTimeZone(timezone))
    fault(
      'timezone',
      `is "${timezone}"; expected an IANA zone such as Europe/Berlin or UTC, never an abbreviation: CST is Chicago, Shanghai and Havana`,
    );
  return [...faults, ...checkReference(password, [...path, 'password'], `servers[${index}].password`)];
}

/** A region and a place, or UTC. The runtime also takes abbreviations (CST, BST, IST) and offsets, which people read differently. */
function isTimeZone(name: string): boolean {
  if (name !== 'UTC' && !/^[A-Z][A-Za-z]+\//.test(name)) return false;
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

function checkDatabase(url: string, path: EstatePath): Fault[] {
  const malformed = checkReference(url, path, `databases[${String(path[1])}].url`);
  if (malformed.length > 0 || referenceKind(url) === 'reference') return malformed;
  return /^postgres(?:ql)?:\/\/./.test(url)
    ? []
    : [
        {
          path,
          text: `databases[${String(path[1])}].url is ***; expected postgresql://… or a reference such as \${env:WAREHOUSE_URL}`,
        },
      ];
}

function checkNotifier({ url, secret }: Estate['notifiers'][number], index: number): Fault[] {
  const [urlPath, secretPath] = [
    ['notifiers', index, 'url'],
    ['notifiers', index, 'secret'],
  ];
  const faults = [
    ...checkReference(url, urlPath, `notifiers[${index}].url`),
    ...checkReference(secret, secretPath, `notifiers[${index}].secret`),
  ];
  if (referenceKind(url) === 'plain' && !(URL.canParse(url) && /^https?:/.test(url))) {
    faults.push({ path: urlPath, text: `notifiers[${index}].url is ***; expected https://… or a reference` });
  }
  // Standard Webhooks: the key is base64, with or without its prefix.
  if (
    secret !== undefined &&
    referenceKind(secret) === 'plain' &&
    !/^(?:whsec_)?[A-Za-z0-9+/]{16,}={0,2}$/.test(secret)
  ) {
    faults.push({
      path: secretPath,
      text: `notifiers[${index}].secret is ***; expected base64 (whsec_…) or, better, a reference`,
    });
  }
  return faults;
}

function checkReference(text: string | undefined, path: EstatePath, name: string): Fault[] {
  if (text === undefined || referenceKind(text) !== 'malformed') return [];
  return [{ path, text: `${name} is no whole reference; expected \${env:NAME} or \${file:/path} alone` }];
}

function checkPolicy(name: string, estate: Estate): Fault[] {
  const path = ['policies', name];
  if (Object.hasOwn(BUILT_IN_POLICIES, name)) {
    return [{ path, text: `policies.${name} is built in; expected another name, with "extends: ${name}"` }];
  }
  const groups = new Set(estate.tasks.flatMap(({ group }) => group ?? []));
  const floors = (estate.policies[name]?.floors ?? []).flatMap(({ group }, index) =>
    groups.has(group)
      ? []
      : [
          {
            path: [...path, 'floors', index, 'group'],
            text: `policies.${name}.floors[${index}].group is "${group}"; expected a group of a contract`,
          },
        ],
  );
  try {
    resolvePolicy(name, estate);
    return floors;
  } catch (error) {
    if (!(error instanceof OffboilError)) throw error;
    return [
      { path, text: `policies.${name}: ${error.message.replace(' Nothing was sent.', '').replace(/\.$/, '')}` },
      ...floors,
    ];
  }
}
