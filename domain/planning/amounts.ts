import type { Amount } from '../contracts/policy.js';

/**
 * Rounding of shares, fixed here and nowhere else: AWS SSM's own pages disagree about "10 % of 50".
 * Sizes of waves round up, so that no wave is empty. Limits round down, so that a limit is never wider than it reads:
 * 20 % of 5 is 1, of 4 is 0. Computed in whole numbers, because 0.57 × 100 is not 57 in floating point.
 */
export function sizeOf(amount: Amount, total: number): number {
  return typeof amount === 'number' ? amount : -Math.floor(-exactShare(amount, total));
}

/** The most that may be: one more exceeds it. */
export function limitOf(amount: Amount, total: number): number {
  return typeof amount === 'number' ? amount : Math.floor(exactShare(amount, total));
}

/** A quotient of two whole numbers, so that a whole share comes out whole. */
function exactShare(share: string, total: number): number {
  const [whole = '0', decimals = ''] = share.slice(0, -1).split('.');
  return (total * Number(`${whole}${decimals}`)) / (100 * 10 ** decimals.length);
}
