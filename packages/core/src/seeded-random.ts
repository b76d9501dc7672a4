import { createHash } from 'node:crypto';

/**
 * Returns a stream of numbers in [0, 1) (mulberry32) that depends on nothing but the seed and what it is for, so that a resumed run
 * draws what the interrupted one would have drawn, without any state to save. Without a purpose,
 * the seed itself starts the stream.
 */
export function seededRandom(seed: number, purpose?: string): () => number {
  let state =
    purpose === undefined ? seed | 0 : createHash('sha256').update(`${seed}/${purpose}`).digest().readUInt32LE(0);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Returns the numbers 0 to `count` − 1 in a random order: Fisher–Yates. */
export function randomOrder(count: number, random: () => number): readonly number[] {
  const order = Array.from({ length: count }, (_, index) => index);
  for (let last = count - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    [order[last], order[other]] = [order[other]!, order[last]!];
  }
  return order;
}
