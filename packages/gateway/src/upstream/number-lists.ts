import type { GrowingArray } from '../chat/growing-array.ts';
import { readFloat32 } from './read-float32.ts';

/** What begins the lists of an entry's log-probabilities, after `"logprobs":`. */
export const logprobsOpening = '{"content":[';

const logprobKey = Buffer.from('"logprob":');
const noRefusal = Buffer.from(',"refusal":null}');
const largestTokenId = 2_147_483_647;

const zero = 48;
const nine = 57;
const quote = 34;
const comma = 44;
const backslash = 92;
const openingBracket = 91;
const closingBracket = 93;
const openingBrace = 123;
const closingBrace = 125;

/** Whether these bytes stand there. Byte by byte: for so few a call into native code costs more. */
export function standsAt(bytes: Buffer, at: number, expected: Buffer): boolean {
  if (at + expected.length > bytes.length) return false;
  for (let index = 0; index < expected.length; index += 1) if (bytes[at + index] !== expected[index]) return false;
  return true;
}

/** The byte after a JSON string that begins at `start`, its first quote included. */
export function skipString(bytes: Buffer, start: number): number {
  let at = start + 1;
  while (at < bytes.length && bytes[at] !== quote) at += bytes[at] === backslash ? 2 : 1;
  return at + 1;
}

/** Reads token ids from the first one to the end of their list; returns the byte after it, -1 for what needs the ordinary parser. */
export function readIds(bytes: Buffer, start: number, ids: GrowingArray<Int32Array>): number {
  let at = start;
  for (;;) {
    const first = at;
    let id = 0;
    for (; isDigit(bytes[at]); at += 1) id = id * 10 + ((bytes[at] as number) - zero);
    if (at === first || at > first + 10 || id > largestTokenId) return -1;
    ids.push(id);
    if (bytes[at] === closingBracket) return at + 1;
    if (bytes[at] !== comma) return -1;
    at += 1;
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= zero && byte <= nine;
}

/**
 * Reads the `logprob` of each entry of a `content` list, from the first entry to the end of the object that the list is in, and
 * not those of the alternatives inside an entry; returns the byte after it, -1 for what needs the ordinary parser.
 */
export function readLogprobs(bytes: Buffer, start: number, logprobs: GrowingArray<Float32Array>): number {
  const before = logprobs.length;
  let depth = 1;
  let entries = 0;
  let at = start;
  while (depth > 0) {
    if (at >= bytes.length) return -1;
    const byte = bytes[at] as number;
    if (byte === quote) {
      if (depth === 2 && standsAt(bytes, at, logprobKey)) {
        at += logprobKey.length;
        let end = at;
        while (end < bytes.length && bytes[end] !== comma && bytes[end] !== closingBrace) end += 1;
        const logprob = readFloat32(bytes, at, end);
        // What is no log-probability is for the parser to name.
        if (!(logprob <= 0 && logprob > -Infinity)) return -1;
        logprobs.push(logprob);
        at = end;
      } else if (depth === 1) return -1;
      else at = skipString(bytes, at);
    } else {
      if (byte === openingBracket || byte === openingBrace) {
        if (depth === 1) entries += 1;
        depth += 1;
      } else if (byte === closingBracket || byte === closingBrace) depth -= 1;
      else if (depth === 1 && byte !== comma) return -1;
      at += 1;
    }
  }
  // An entry without a number, or with two, is for the parser to judge.
  if (entries !== logprobs.length - before) return -1;
  if (bytes[at] === closingBrace) return at + 1;
  return standsAt(bytes, at, noRefusal) ? at + noRefusal.length : -1;
}
