/**
 * What was typed. After `--help` the usage stands on stdout, after a mistake on stderr, where `--json` wants one line only.
 * @param parse throws at a mistake
 * @returns the options, or the exit code when there is nothing to run
 */
export function readOptions<T extends { readonly help: boolean }>(usage: string, parse: () => T): T | number {
  try {
    const options = parse();
    if (!options.help) return options;
    process.stdout.write(`${usage}\n`);
    return 0;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    if (!process.argv.includes('--json')) process.stderr.write(`${usage}\n`);
    return 1;
  }
}
