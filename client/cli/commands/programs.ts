import type { Root } from '../root.js';
import type { Session, WorkerProgram } from '../session.js';

/** `up`, `worker`, `setup` and `estate …`: programs of the worker, started as processes on this terminal. */
export function addPrograms(root: Root, session: Session): void {
  const { say } = session;
  const run = async (program: WorkerProgram, args: readonly string[]): Promise<void> => {
    const json = root.opts().json === true ? ['--json'] : [];
    session.exitCode = await session.runProgram(program, [...args, ...json], environmentOf(root, session));
  };
  root
    .command('up')
    .description(say('help.up'))
    .option('--estate <file>', say('help.estateFile'))
    .action(async ({ estate }) => run('up', flag('--estate', estate)));
  root
    .command('worker')
    .description(say('help.worker'))
    .option('--site <site>', say('help.site'))
    .option('--estate <file>', say('help.estateFile'))
    .action(async ({ site, estate }) => run('main', [...flag('--site', site), ...flag('--estate', estate)]));
  root
    .command('setup')
    .description(say('help.setup'))
    .option('--estate <file>', say('help.estateFile'))
    .action(async ({ estate }) => run('setup', flag('--estate', estate)));

  const estateCommand = root.command('estate').description(say('help.estate')).helpCommand(false);
  estateCommand
    .command('check')
    .description(say('help.estateCheck'))
    .option('--estate <file>', say('help.estateFile'))
    .action(async ({ estate }) => run('estate', ['check', ...flag('--estate', estate)]));
  estateCommand
    .command('init')
    .description(say('help.estateInit'))
    .argument('<urls...>', say('help.urls'))
    .option('--estate <file>', say('help.estateFile'))
    .action(async (urls, { estate }) => run('estate', ['init', ...urls, ...flag('--estate', estate)]));
}

function flag(name: string, value: string | undefined): string[] {
  return value === undefined ? [] : [name, value];
}

/** The programs read the Temporal CLI's own variables; what was typed here wins over them. */
function environmentOf(root: Root, { env, language }: Session): NodeJS.ProcessEnv {
  const { profile, address, namespace, lang } = root.opts();
  return {
    ...env,
    ...(profile === undefined ? {} : { TEMPORAL_PROFILE: profile }),
    ...(address === undefined ? {} : { TEMPORAL_ADDRESS: address }),
    ...(namespace === undefined ? {} : { TEMPORAL_NAMESPACE: namespace }),
    ...(lang === undefined ? {} : { LC_ALL: language === 'zh' ? 'zh_CN.UTF-8' : 'en_US.UTF-8' }),
  };
}
