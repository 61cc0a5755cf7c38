import { OffboilError } from '../../../domain/errors.js';
import { cautious, type Dialect, dialectOf, DIALECTS } from './dialects.js';

/** What a list gives away about the version of its server: no endpoint of Carte tells it. */
export interface ListMarkers {
  readonly hasSystemValues: boolean;
  readonly hasBuiltIn: boolean;
  /** undefined: the list has no entry that could show it. */
  readonly hasLogDate: boolean | undefined;
  /** Are there hexadecimal references? From 5.0 to 7.0 every entry has them, in the marks of its empty log. */
  readonly hasHexReferences: boolean | undefined;
}

/** Which dialect a server is spoken to in, and how sure that is. */
export interface KnownDialect {
  readonly dialect: Dialect;
  readonly version: string;
  /** Rows are left that answer differently for a job that does not exist: one question would narrow them. */
  readonly canNarrow: boolean;
  readonly remarks: readonly string[];
}

/**
 * Finds the dialect. A declared version wins, unless the reply proves it wrong: acting on a wrong dialect would take a running
 * task for an ended one. Without one, the most careful reading of all rows that fit.
 * @param unknownJobIs what `jobStatus` answered for a job that cannot exist, where it was asked
 * @throws OffboilError `VERSION_UNKNOWN`
 */
export function inferDialect(
  server: string,
  declared: string | undefined,
  markers: ListMarkers,
  unknownJobIs?: 200 | 404,
): KnownDialect {
  if (declared !== undefined)
    return { dialect: declaredDialect(server, declared, markers), version: declared, canNarrow: false, remarks: [] };
  const fitting = DIALECTS.filter((row) => contradictions(row, markers).length === 0)
    .filter((row) => !markers.hasBuiltIn || markers.hasLogDate === true || row.listsBuiltIn)
    .filter((row) => unknownJobIs === undefined || row.unknownJobIs === unknownJobIs);
  const [lowest, ...others] = fitting;
  const last = fitting.at(-1);
  if (lowest === undefined || last === undefined) {
    throw new OffboilError(
      'VERSION_UNKNOWN',
      `${server} lists its tasks in a way that fits no version of Carte from 4.4 to 11. Nothing was sent. ` +
        'Declare its version in the estate if it is one of these.',
      { server },
    );
  }
  const range = lowest === last ? lowest.name : `${lowest.name} to ${last.name}`;
  return {
    dialect: {
      ...cautious([lowest, ...others]),
      name: range === lowest.name ? range : `${lowest.name} (replies fit ${range})`,
      source: 'read',
      hasSafeStop: false, // it cannot be probed without a stop, and before 8.1 it *is* a full stop
    },
    version: 'unknown',
    canNarrow: lowest.unknownJobIs !== last.unknownJobIs,
    remarks: [`the version of ${server} is not declared; its replies fit ${range}, and safe stop is not offered`],
  };
}

function declaredDialect(server: string, declared: string, markers: ListMarkers): Dialect {
  const row = dialectOf(declared);
  if (row === undefined) {
    throw new OffboilError(
      'VERSION_UNKNOWN',
      `${server} is declared as version ${declared}, and Offboil knows Carte from 4.4 to 11. Nothing was sent.`,
      { server, declared },
    );
  }
  const [against] = contradictions(row, markers);
  if (against === undefined) return row;
  throw new OffboilError(
    'VERSION_UNKNOWN',
    `${server} is declared as version ${declared}, and ${against}. One of the two is wrong, so nothing was sent. ` +
      'Correct the version in the estate, or leave it out.',
    { server, declared },
  );
}

/** What in a list cannot come from a server of that row, in words that follow "declared as …, and". */
function contradictions(row: Dialect, markers: ListMarkers): string[] {
  const found: string[] = [];
  if (markers.hasSystemValues !== row.listHasSystemValues) {
    found.push(
      row.listHasSystemValues
        ? 'its list lacks the memory values that 5.0 and later send'
        : 'its list has memory values, which only 5.0 and later send',
    );
  }
  if (markers.hasLogDate !== undefined && markers.hasLogDate !== row.listHasLogDate) {
    found.push(
      row.listHasLogDate
        ? 'its list has no log_date, which 7.0 and later send'
        : 'its list has log_date, which only 7.0 and later send',
    );
  }
  if (markers.hasHexReferences !== undefined && markers.hasHexReferences !== (row.escaping === 'hex')) {
    found.push(
      row.escaping === 'hex'
        ? 'its list is not escaped as 5.0 to 7.0 do it'
        : 'its list is escaped as only 5.0 to 7.0 do it',
    );
  }
  return found;
}
