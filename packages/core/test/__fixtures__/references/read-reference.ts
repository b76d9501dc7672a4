import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Returns inputs and outputs of other libraries' formulas (verl, TRL, SkyRL, prime-rl, tinker-cookbook): `versions` in each file names them. */
export function readReference<Case>(name: string): readonly Case[] {
  const text = readFileSync(join(import.meta.dirname, `${name}.json`), 'utf8');
  return (JSON.parse(text) as { readonly cases: readonly Case[] }).cases;
}

/** One token's loss where policy and sampler are far apart, by verl with the dual clip `c`. */
export interface EdgeOfLoss {
  readonly logRatio: number;
  readonly advantage: number;
  readonly clip: readonly [number, number];
  readonly c: number;
  readonly loss: number;
  readonly gradient: number;
}

/** Returns the edges of the dual clip. */
export function readLossEdges(): readonly EdgeOfLoss[] {
  const text = readFileSync(join(import.meta.dirname, 'edges.json'), 'utf8');
  return (JSON.parse(text) as { readonly 'verl dual clip': readonly EdgeOfLoss[] })['verl dual clip'];
}

/** Says how far two lists of numbers are apart, relative to 1 and to their size. */
export function distance(ours: ArrayLike<number>, theirs: readonly number[]): number {
  if (ours.length !== theirs.length) return Infinity;
  return theirs.reduce(
    (worst, value, index) => Math.max(worst, Math.abs(ours[index]! - value) / Math.max(1, Math.abs(value))), 0,
  );
}
