import { Command, Option } from '@commander-js/extra-typings';
import type { OffboilClient } from '../index.js';
import type { Session } from './session.js';
import { LANGUAGES, type Say } from './texts/index.js';

/** The root command with the flags that every command takes. */
export type Root = ReturnType<typeof createRoot>;

/** Connects with the flags given, does the work, and closes whatever happens. */
export async function withClient<T>(
  root: Root,
  session: Session,
  work: (client: OffboilClient) => Promise<T>,
): Promise<T> {
  const { profile, address, namespace } = root.opts();
  const client = await session.connect({
    ...(profile === undefined ? {} : { profile }),
    ...(address === undefined ? {} : { address }),
    ...(namespace === undefined ? {} : { namespace }),
  });
  try {
    return await work(client);
  } finally {
    await client.close();
  }
}

/** Errors are thrown, nothing ends the process. */
export function createRoot({ say, screen }: Session) {
  return new Command('offboil')
    .description(say('help.program'))
    .option('--json', say('help.json'))
    .option('--profile <name>', say('help.profile'))
    .option('--address <host:port>', say('help.address'))
    .option('--namespace <name>', say('help.namespace'))
    .addOption(new Option('--lang <language>', say('help.lang')).choices(LANGUAGES))
    .helpOption('-h, --help', say('help.help'))
    .helpCommand(false)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => {
        screen.line(text.trimEnd());
      },
      writeErr: (text) => {
        screen.error(text.trimEnd());
      },
      outputError: () => undefined, // thrown as well, and told once, by runCli
    })
    .configureHelp({ showGlobalOptions: true, helpWidth: 100, styleTitle: (title) => translateTitle(say, title) });
}

function translateTitle(say: Say, title: string): string {
  switch (title) {
    case 'Usage:':
      return say('help.usage');
    case 'Arguments:':
      return say('help.arguments');
    case 'Options:':
      return say('help.options');
    case 'Global Options:':
      return say('help.globals');
    case 'Commands:':
      return say('help.commands');
    default:
      return title;
  }
}
