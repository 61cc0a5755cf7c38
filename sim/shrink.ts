/**
 * Makes a failing tape simpler: shorter, then with smaller bytes, as long as it still fails. The same moves as fast-check's,
 * for tapes that a seed produced.
 */
export async function shrink(
  tape: readonly number[],
  fails: (tape: readonly number[]) => Promise<boolean>,
  budget = 4000,
): Promise<readonly number[]> {
  let best = tape;
  let tries = 0;
  const accept = async (candidate: readonly number[]): Promise<boolean> => {
    if (tries >= budget) return false;
    tries += 1;
    if (!(await fails(candidate))) return false;
    best = candidate;
    return true;
  };
  for (let before: readonly number[] = []; before !== best && tries < budget;) {
    before = best;
    for (let size = Math.ceil(best.length / 2); size >= 1; size = Math.floor(size / 2)) {
      for (let at = 0; at < best.length; at += size) {
        const zeros = best.map((byte, index) => (index >= at && index < at + size ? 0 : byte));
        if (zeros.some((byte, index) => byte !== best[index])) await accept(zeros);
        await accept([...best.slice(0, at), ...best.slice(at + size)]);
      }
    }
    for (let at = 0; at < best.length; at += 1) {
      for (const smaller of [1, 2, 4, 8, 16, 32, 64, 128]) {
        const byte = best[at] ?? 0;
        if (smaller < byte && (await accept(best.map((old, index) => (index === at ? smaller : old))))) break;
      }
    }
  }
  return best;
}
