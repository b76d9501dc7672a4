/** The greatest depth: deeper than any sensible request, and shallow enough for every recursive reader of it. */
export const maxDepth = 100;

/** The count of a text, a name, a list or an object: its parser makes an object of the heap, where a number is a word. */
const heavy = 4;

const quote = 34;
const comma = 44;
const openingBracket = 91;
const backslash = 92;
const closingBracket = 93;
const openingBrace = 123;
const closingBrace = 125;

/** The cost of parsing some JSON, as far as it was counted. */
export interface JsonMeasure {
  /** Each comma counts as 1; each text, name of a field, list and object as 4. */
  readonly values: number;
  /** The depth of lists and objects in each other. */
  readonly depth: number;
}

/** The count of each byte outside texts: one look-up instead of six comparisons, as most bytes count for nothing. */
const counts: Uint8Array = new Uint8Array(256);
for (const byte of [quote, openingBracket, openingBrace]) counts[byte] = heavy;
counts[comma] = 1;
/** The change of depth at each byte. */
const steps: Int8Array = new Int8Array(256);
for (const byte of [openingBracket, openingBrace]) steps[byte] = 1;
for (const byte of [closingBracket, closingBrace]) steps[byte] = -1;

/**
 * Counts values and depth of JSON in one pass over its bytes, without parsing it, and stops at what is over `maxValues` or
 * `maxDepth`. Broken JSON is counted up to where the parser would stop, or further.
 */
export function measureJson(bytes: Buffer, maxValues: number): JsonMeasure {
  const { length } = bytes;
  let values = 0;
  let depth = 0;
  let deepest = 0;
  for (let at = 0; at < length; at += 1) {
    const byte = bytes[at] as number;
    // Digits, letters and spaces, which are most of it.
    if (byte > comma && byte < openingBracket) continue;
    values += counts[byte] as number;
    depth += steps[byte] as number;
    if (byte === quote) at = endOfString(bytes, at);
    else if (depth > deepest) deepest = depth;
    if (values > maxValues || deepest > maxDepth) break;
  }
  return { values, depth: deepest };
}

/** The length of texts that are searched here; in longer ones, the runtime finds the next quote faster. */
const shortText = 48;

/** Returns where the string ends that begins at `start`: its closing quote, or a position after the end where it is not closed. */
function endOfString(bytes: Buffer, start: number): number {
  let at = start + 1;
  for (;;) {
    const near = at + shortText;
    while (at < near) {
      const byte = bytes[at];
      if (byte === quote || byte === undefined) return at;
      at += byte === backslash ? 2 : 1;
    }
    const found = bytes.indexOf(quote, at);
    if (found < 0) return bytes.length;
    let backslashes = 0;
    while (found - backslashes > at && bytes[found - backslashes - 1] === backslash) backslashes += 1;
    if (backslashes % 2 === 0) return found;
    at = found + 1;
  }
}
