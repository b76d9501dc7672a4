import { createHash } from 'node:crypto';

/** Tells whether a rollout belongs to the share that is kept: its id and the seed decide, so that every process agrees. */
export function isSampled(rolloutId: string, sampleRate: number, seed: number): boolean {
  const digest = createHash('sha256').update(`${seed}:${rolloutId}`).digest();
  return digest.readUIntBE(0, 6) / 2 ** 48 < sampleRate;
}
