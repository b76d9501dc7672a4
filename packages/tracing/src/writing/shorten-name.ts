import { createHash } from 'node:crypto';

const digestCharacters = 12;

/** Returns the name without what no store takes in a text: NUL, and halves of surrogate pairs. */
export function cleanName(name: string): string {
  return name.toWellFormed().replaceAll('\0', '\uFFFD');
}

/**
 * Returns the name, or one of at most `limit` characters that keeps its beginning and its end and tells it from every other: the middle
 * becomes a digest of the whole. So a pattern that finds the first or the last agent of a path finds it still. `limit` is at least 40.
 */
export function shortenName(name: string, limit: number): string {
  if (name.length <= limit) return name;
  const digest = createHash('sha256').update(name).digest('hex').slice(0, digestCharacters);
  const kept = limit - digest.length - 2;
  const tail = Math.floor(kept / 2);
  return `${name.slice(0, kept - tail).toWellFormed()}…${digest}…${name.slice(-tail).toWellFormed()}`;
}
