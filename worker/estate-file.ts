import { estateSchema, type Estate } from '../domain/contracts/estate.js';
import { OffboilError } from '../domain/errors.js';
import { checkEstate } from './estate-reading/check-estate.js';
import { describeIssues, nameKnownFields } from './estate-reading/describe-issue.js';
import { readEstateSource } from './estate-reading/source.js';

/**
 * Reads the estate file with all that it includes, fills defaults and checks it. Secrets stay references.
 * @throws OffboilError `ESTATE_INVALID` with every fault, each as `file:line:col: what stands there; what was expected.`
 */
export async function readEstateFile(path: string): Promise<{ readonly estate: Estate }> {
  const source = await readEstateSource(path);
  const parsed = estateSchema.safeParse(source.value, { error: nameKnownFields });
  const faults = parsed.success ? checkEstate(parsed.data) : describeIssues(parsed.error, source.value);
  const lines = [...source.faults, ...faults.map((fault) => source.render(fault))];
  if (parsed.success && lines.length === 0) return { estate: parsed.data };
  throw new OffboilError('ESTATE_INVALID', `${lines.join('\n')}${lines.length === 1 ? ' ' : '\n'}Nothing was read.`, {
    faults: lines.length,
  });
}
