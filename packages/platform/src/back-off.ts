/** Bounds of the waits between tries. */
export interface BackOffLimits {
  readonly firstMs: number;
  readonly longestMs: number;
}

/**
 * Returns how long to wait after the given number of failures in a row: `firstMs` after the first, twice as long after each more, at
 * most `longestMs`. Up to half of it is left off at random, so that processes which failed together do not come back together.
 *
 * @param random a number in [0, 1)
 */
export function backOffMs(
  failures: number,
  { firstMs, longestMs }: BackOffLimits,
  random: number = Math.random(),
): number {
  const doublings = Math.min(failures - 1, 64); // more would only overflow
  return Math.min(firstMs * 2 ** doublings, longestMs) * (1 - random / 2);
}
