/**
 * Reads the numbers that captured replies are full of, straight from their bytes. Every function takes positions in memory,
 * `end` being the one after the last byte, and returns the position after what it read, or 0 for what is left to the JSON parser.
 */

const zero: u8 = 48;
const quote: u8 = 34;
const comma: u8 = 44;
const minus: u8 = 45;
const point: u8 = 46;
const backslash: u8 = 92;
const openingBracket: u8 = 91;
const closingBracket: u8 = 93;
const openingBrace: u8 = 123;
const closingBrace: u8 = 125;
const lowestPlain: u8 = 32;
const lowestNonAscii: u8 = 128;

const largestTokenId: u64 = 2147483647;

/** This is more than the relative error of a double made of digits and a power of ten. */
const slack: f64 = 1.0 / 281474976710656.0;
/** Digits whose number is larger than this do not fit 64 bits. */
const largestSum: f64 = 1e19;
/** A number of so many digits with more decimals than this is nearest to 0. */
const mostDecimals: i32 = 68;
const powersOfTen = memory.data<f64>([
  1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
  1e21, 1e22, 1e23, 1e24, 1e25, 1e26, 1e27, 1e28, 1e29, 1e30, 1e31, 1e32, 1e33, 1e34, 1e35, 1e36, 1e37, 1e38, 1e39,
  1e40, 1e41, 1e42, 1e43, 1e44, 1e45, 1e46, 1e47, 1e48, 1e49, 1e50, 1e51, 1e52, 1e53, 1e54, 1e55, 1e56, 1e57, 1e58,
  1e59, 1e60, 1e61, 1e62, 1e63, 1e64, 1e65, 1e66, 1e67, 1e68,
]);

const logprobKey = memory.data<u8>([34, 108, 111, 103, 112, 114, 111, 98, 34, 58]); // "logprob":
const logprobKeyLength: usize = 10;
const noRefusal = memory.data<u8>([44, 34, 114, 101, 102, 117, 115, 97, 108, 34, 58, 110, 117, 108, 108, 125]); // ,"refusal":null}
const noRefusalLength: usize = 16;
const tokenOpening = memory.data<u8>([123, 34, 116, 111, 107, 101, 110, 34, 58, 34]); // {"token":"
const tokenOpeningLength: usize = 10;
const tokenEnding = memory.data<u8>([34, 44, 34, 108, 111, 103, 112, 114, 111, 98, 34, 58]); // ","logprob":
const tokenEndingLength: usize = 12;
const bytesOpening = memory.data<u8>([44, 34, 98, 121, 116, 101, 115, 34, 58, 91]); // ,"bytes":[
const bytesOpeningLength: usize = 10;
const bytesEnding = memory.data<u8>([93, 44, 34, 116, 111, 112, 95, 108, 111, 103, 112, 114, 111, 98, 115, 34, 58, 91, 93, 125]); // ],"top_logprobs":[]}
const bytesEndingLength: usize = 20;

/** These are the positions that the next id, log-probability, byte of text and byte of output go to. */
let ids: usize = 0;
let logprobs: usize = 0;
let said: usize = 0;
let shown: usize = 0;
/** Tells whether every text that was read is plain ASCII, without escapes. */
let isPlain: bool = true;

/** Returns the first position that is free. */
export function base(): usize {
  return (__heap_base + 15) & ~15;
}

/** Sets the positions that results are written to. */
export function writeTo(idsAt: usize, logprobsAt: usize, saidAt: usize, shownAt: usize): void {
  ids = idsAt;
  logprobs = logprobsAt;
  said = saidAt;
  shown = shownAt;
  isPlain = true;
}

export function idsEnd(): usize {
  return ids;
}
export function logprobsEnd(): usize {
  return logprobs;
}
export function saidEnd(): usize {
  return said;
}
export function shownEnd(): usize {
  return shown;
}
export function saidIsPlain(): bool {
  return isPlain;
}

// @ts-ignore: decorator
@inline
function isDigit(byte: u8): bool {
  return byte - zero < 10;
}

/** Tells whether the bytes from `at` are those from `expected`. */
function standsAt(at: usize, end: usize, expected: usize, length: usize): bool {
  if (at + length > end) return false;
  if (length < 16) {
    if (length >= 8)
      return (
        load<u64>(at) === load<u64>(expected) && load<u64>(at + length - 8) === load<u64>(expected + length - 8)
      );
    for (let index: usize = 0; index < length; index += 1)
      if (load<u8>(at + index) !== load<u8>(expected + index)) return false;
    return true;
  }
  for (let index: usize = 0; index + 16 < length; index += 16) if (differs(at + index, expected + index)) return false;
  return !differs(at + length - 16, expected + length - 16);
}

// @ts-ignore: decorator
@inline
function differs(at: usize, expected: usize): bool {
  return v128.any_true(v128.xor(v128.load(at), v128.load(expected)));
}

/** Copies up to 15 bytes more than asked: what comes next is written over them. */
function copy(to: usize, from: usize, length: usize): usize {
  for (let done: usize = 0; done < length; done += 16) v128.store(to + done, v128.load(from + done));
  return to + length;
}

/** Returns the position of the first quote, backslash, control character or part of a letter beyond ASCII, from `at` on, or a position after `end`. */
function endOfPlain(start: usize, end: usize): usize {
  let at = start;
  for (; at < end; at += 16) {
    const bytes = v128.load(at);
    const special = v128.or(
      v128.or(i8x16.eq(bytes, i8x16.splat(<i8>quote)), i8x16.eq(bytes, i8x16.splat(<i8>backslash))),
      // Signed: what is beyond ASCII is negative.
      i8x16.lt_s(bytes, i8x16.splat(<i8>lowestPlain)),
    );
    if (v128.any_true(special)) return at + ctz(i8x16.bitmask(special));
  }
  return at;
}

/** Returns the byte after a string whose first quote is at `start`. */
function skipString(start: usize, end: usize): usize {
  let at = endOfPlain(start + 1, end);
  while (at < end && load<u8>(at) !== quote) at = endOfPlain(at + (load<u8>(at) === backslash ? 2 : 1), end);
  return at + 1;
}

/** Returns the number that eight digits stand for, the first one in the lowest byte. */
// @ts-ignore: decorator
@inline
function join(digits: u64): u64 {
  const pairs = digits * 10 + (digits >> 8);
  return (
    ((pairs & 0x000000ff000000ff) * 0x000f424000000064 + ((pairs >> 16) & 0x000000ff000000ff) * 0x0000271000000001) >> 32
  );
}

let afterDigits: usize = 0;

/** Returns the number of up to eight digits that stand at `at`, and sets `afterDigits` to the position after them. */
// @ts-ignore: decorator
@inline
function readDigits(at: usize): u64 {
  const digits = load<u64>(at) ^ 0x3030303030303030;
  // The high bit of each byte that is no digit; above the first such byte it may be wrong.
  const others = ((digits + 0x7676767676767676) | digits) & 0x8080808080808080;
  const length = ctz(others) >> 3;
  afterDigits = at + <usize>length;
  if (length === 0) return 0;
  return join(digits << (64 - (length << 3)));
}

// @ts-ignore: decorator
@inline
function otherThanDigits(at: usize): u64 {
  const values = i8x16.sub(v128.load(at), i8x16.splat(<i8>zero));
  return <u64>i8x16.bitmask(i8x16.gt_u(values, i8x16.splat(9)));
}

/** Returns the number whose digits, at most eight, end before `end`. */
// @ts-ignore: decorator
@inline
function numberBefore(end: usize, length: usize): u64 {
  return join((load<u64>(end - 8) ^ 0x3030303030303030) & (<u64>-1 << (64 - (<u64>length << 3))));
}

/**
 * Reads token ids, from the first one to the end of their list. What stands between them is found for 64 bytes at once: the processor
 * could not guess, id by id, how many digits come.
 */
export function readIds(start: usize, end: usize): usize {
  let first = start;
  let out = ids;
  for (let block = start; block < end; block += 64) {
    let others =
      otherThanDigits(block) |
      (otherThanDigits(block + 16) << 16) |
      (otherThanDigits(block + 32) << 32) |
      (otherThanDigits(block + 48) << 48);
    for (; others !== 0; others &= others - 1) {
      const at = block + <usize>ctz(others);
      const length = at - first;
      if (length === 0 || length > 10 || at >= end) return 0;
      let id = numberBefore(at, min(length, 8));
      if (length > 8) id += numberBefore(at - 8, length - 8) * 100000000;
      if (id > largestTokenId) return 0;
      store<i32>(out, <i32>id);
      out += 4;
      const next = load<u8>(at);
      if (next === closingBracket) {
        ids = out;
        return at + 1;
      }
      if (next !== comma) return 0;
      first = at + 1;
    }
  }
  return 0;
}

let number: f32 = 0;

/** Reads the float32 that is nearest to the number at `start`, if every double within the error of its digits rounds to that one float32. */
function readFloat32(start: usize, end: usize): usize {
  let at = start;
  const isNegative = load<u8>(at) === minus;
  if (isNegative) at += 1;
  let sum = readDigits(at);
  if (afterDigits === at) return 0;
  at = afterDigits;
  let decimals: i32 = 0;
  if (load<u8>(at) === point) {
    const from = (at += 1);
    for (let length: usize = 8; length === 8; at = afterDigits) {
      const digits = readDigits(at);
      length = afterDigits - at;
      const power = load<f64>(powersOfTen + (length << 3));
      if (<f64>sum * power > largestSum) return 0;
      sum = sum * <u64>power + digits;
    }
    decimals = <i32>(at - from);
    if (decimals === 0) return 0;
  }
  if (at < end && (load<u8>(at) | 32) === 101) {
    at += 1;
    const sign = at < end ? load<u8>(at) : 0;
    if (sign === minus || sign === 43) at += 1;
    const from = at;
    let exponent: i32 = 0;
    for (; at < end && isDigit(load<u8>(at)); at += 1) exponent = exponent * 10 + <i32>(load<u8>(at) - zero);
    if (at === from || at > from + 3) return 0;
    decimals += sign === minus ? exponent : -exponent;
  }
  if (decimals > mostDecimals) sum = 0;
  else if (decimals < -mostDecimals) return 0;
  const size =
    decimals < 0
      ? <f64>sum * load<f64>(powersOfTen + ((<usize>-decimals) << 3))
      : <f64>sum / load<f64>(powersOfTen + ((<usize>min(decimals, mostDecimals)) << 3));
  const nearest = <f32>(size * (1 - slack));
  if (nearest !== <f32>(size * (1 + slack))) return 0;
  number = isNegative ? -nearest : nearest;
  return at;
}

/** Tells whether a value can be a log-probability; the parser names one that cannot. */
function isLogprob(value: f32): bool {
  return value <= 0 && value > <f32>-Infinity;
}

/** Returns the first byte from `start` on that no list of whole numbers holds, or a position after `end`. */
function endOfDigits(start: usize, end: usize): usize {
  let at = start;
  for (; at < end; at += 16) {
    // From the comma to the digit nine.
    const others = i8x16.gt_u(i8x16.sub(v128.load(at), i8x16.splat(<i8>comma)), i8x16.splat(13));
    if (v128.any_true(others)) return at + ctz(i8x16.bitmask(others));
  }
  return at;
}

/** Reads an entry as engines write it when no alternatives are asked for, and leaves its number in `number`. */
function readPlainEntry(start: usize, end: usize): usize {
  if (!standsAt(start, end, tokenOpening, tokenOpeningLength)) return 0;
  let at = skipString(start + tokenOpeningLength - 1, end) - 1;
  if (!standsAt(at, end, tokenEnding, tokenEndingLength)) return 0;
  at = readFloat32(at + tokenEndingLength, end);
  if (at === 0 || !isLogprob(number) || !standsAt(at, end, bytesOpening, bytesOpeningLength)) return 0;
  at += bytesOpeningLength;
  at = endOfDigits(at, end);
  return standsAt(at, end, bytesEnding, bytesEndingLength) ? at + bytesEndingLength : 0;
}

/**
 * Reads the `logprob` of each entry of a `content` list, from the first entry to the end of the object that the list is in, and not
 * those of the alternatives inside an entry.
 */
export function readLogprobs(start: usize, end: usize): usize {
  let out = logprobs;
  let depth: i32 = 1;
  let entries: usize = 0;
  let at = start;
  while (depth > 0) {
    if (at >= end) return 0;
    const byte = load<u8>(at);
    if (byte === quote) {
      if (depth === 2 && standsAt(at, end, logprobKey, logprobKeyLength)) {
        at = readFloat32(at + logprobKeyLength, end);
        if (at === 0 || !isLogprob(number)) return 0;
        const next = at < end ? load<u8>(at) : 0;
        if (next !== comma && next !== closingBrace) return 0;
        store<f32>(out, number);
        out += 4;
      } else if (depth === 1) return 0;
      else at = skipString(at, end);
    } else {
      if (byte === openingBracket || byte === openingBrace) {
        if (depth === 1) {
          entries += 1;
          const next = readPlainEntry(at, end);
          if (next !== 0) {
            store<f32>(out, number);
            out += 4;
            at = next;
            continue;
          }
        }
        depth += 1;
      } else if (byte === closingBracket || byte === closingBrace) {
        depth -= 1;
        // An entry without a number, or with two, is left to the parser.
        if (depth === 1 && entries !== (out - logprobs) >> 2) return 0;
      } else if (depth === 1 && byte !== comma) return 0;
      at += 1;
    }
  }
  if (at >= end) return 0;
  if (load<u8>(at) === closingBrace) at += 1;
  else if (standsAt(at, end, noRefusal, noRefusalLength)) at += noRefusalLength;
  else return 0;
  logprobs = out;
  return at;
}

/** These are the parts of the chunks of one frame, as `useFrame` found them in memory. */
let head: usize = 0;
let headLength: usize = 0;
let middle: usize = 0;
let middleLength: usize = 0;
let between: usize = 0;
let betweenLength: usize = 0;
let tail: usize = 0;
let tailLength: usize = 0;
let shownHead: usize = 0;
let shownHeadLength: usize = 0;
let shownTail: usize = 0;
let shownTailLength: usize = 0;

/** Uses the frame whose six parts stand from `at` on, one after the other. */
export function useFrame(at: usize, a: usize, b: usize, c: usize, d: usize, e: usize, f: usize): void {
  head = at;
  headLength = a;
  middle = head + a;
  middleLength = b;
  between = middle + b;
  betweenLength = c;
  tail = between + c;
  tailLength = d;
  shownHead = tail + d;
  shownHeadLength = e;
  shownTail = shownHead + e;
  shownTailLength = f;
}

function isHex(byte: u8): bool {
  return isDigit(byte) || (byte | 32) - 97 < 6;
}

/** Returns the byte after an escape in a string. */
function skipEscape(at: usize, end: usize): usize {
  if (at + 6 > end) return 0;
  const escaped = load<u8>(at + 1);
  if (escaped === 117) {
    for (let digit = at + 2; digit < at + 6; digit += 1) if (!isHex(load<u8>(digit))) return 0;
    return at + 6;
  }
  // " / \ b f n r t
  const isKnown =
    escaped === quote ||
    escaped === 47 ||
    escaped === backslash ||
    escaped === 98 ||
    escaped === 102 ||
    escaped === 110 ||
    escaped === 114 ||
    escaped === 116;
  return isKnown ? at + 2 : 0;
}

/** Returns the position of the quote that ends a JSON string. */
function endOfText(start: usize, end: usize): usize {
  // A letter that was cut in two is left to the parser.
  if (start < end && (load<u8>(start) & 0xc0) === lowestNonAscii) return 0;
  let at = endOfPlain(start, end);
  while (at < end) {
    const byte = load<u8>(at);
    if (byte === quote) return at;
    if (byte < lowestPlain) return 0;
    if (byte >= lowestNonAscii) isPlain = false;
    if (byte === backslash) {
      isPlain = false;
      at = skipEscape(at, end);
      if (at === 0) return 0;
    } else at += 1;
    at = endOfPlain(at, end);
  }
  return 0;
}

/** Reads one event that equals the frame byte by byte, and keeps nothing of one that does not. */
function readEvent(start: usize, end: usize): usize {
  if (!standsAt(start, end, head, headLength)) return 0;
  const text = start + headLength;
  const textEnd = endOfText(text, end);
  if (textEnd === 0 || !standsAt(textEnd, end, middle, middleLength)) return 0;
  const beforeIds = ids;
  const beforeLogprobs = logprobs;
  let at = readLogprobs(textEnd + middleLength, end);
  if (at !== 0 && standsAt(at, end, between, betweenLength)) {
    at = readIds(at + betweenLength, end);
    if (at !== 0 && standsAt(at, end, tail, tailLength)) {
      said = copy(said, text, textEnd - text);
      shown = copy(shown, shownHead, shownHeadLength);
      shown = copy(shown, text, textEnd - text);
      shown = copy(shown, shownTail, shownTailLength);
      return at + tailLength;
    }
  }
  ids = beforeIds;
  logprobs = beforeLogprobs;
  return 0;
}

let count: i32 = 0;

/** Returns how many events `readEvents` read. */
export function eventsRead(): i32 {
  return count;
}

/** Reads events for as long as they are the frame's, `limit` of them at most; returns where the next one begins. */
export function readEvents(start: usize, end: usize, limit: i32): usize {
  let at = start;
  for (count = 0; count < limit; count += 1) {
    const next = readEvent(at, end);
    if (next === 0) break;
    at = next;
  }
  return at;
}
