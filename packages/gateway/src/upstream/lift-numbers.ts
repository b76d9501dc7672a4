/**
 * A reply's JSON whose long lists of numbers were read straight from the bytes: as JSON they would cost more than all
 * the rest of a call. Where a list was, the text has its position in `lists`.
 */
interface LiftedJson {
  readonly text: string;
  readonly lists: readonly (Int32Array | Float32Array)[];
}

interface Lift {
  readonly list: Int32Array | Float32Array;
  /** The byte after the lifted value. */
  readonly end: number;
}

// A quote inside a JSON string is escaped, so that these bytes can only be a key and the beginning of its value.
const promptIdsKey = Buffer.from('"prompt_token_ids":[');
const idsKey = Buffer.from('"token_ids":[');
const logprobsKey = Buffer.from('"logprobs":{"content":[');
const logprobKey = Buffer.from('logprob":');
const noRefusal = Buffer.from(',"refusal":null}');

const quote = 34;
const comma = 44;
const backslash = 92;

/** Reads non-negative integers up to the closing bracket; undefined for anything else, which is left to JSON. */
function readIds(bytes: Buffer, start: number): Lift | undefined {
  const end = bytes.indexOf(93, start);
  if (end < 0 || end === start) return undefined;
  const ids = new Int32Array(Math.ceil((end - start + 1) / 2));
  let count = 0;
  let id = 0;
  let digits = 0;
  for (let at = start; at <= end; at += 1) {
    const byte = bytes[at] as number;
    if (byte >= 48 && byte <= 57) {
      id = id * 10 + (byte - 48);
      digits += 1;
    } else if ((byte === comma || at === end) && digits > 0 && digits < 11 && id <= 2_147_483_647) {
      ids[count] = id;
      count += 1;
      id = 0;
      digits = 0;
    } else return undefined;
  }
  return { list: ids.subarray(0, count), end: end + 1 };
}

/** The byte after a string that begins at `start`, its first quote included. */
function skipString(bytes: Buffer, start: number): number {
  let at = start + 1;
  while (at < bytes.length && bytes[at] !== quote) at += bytes[at] === backslash ? 2 : 1;
  return at + 1;
}

/** Byte by byte: for so few bytes a call into native code costs more. */
function matches(bytes: Buffer, at: number, expected: Buffer): boolean {
  for (let index = 0; index < expected.length; index += 1) if (bytes[at + index] !== expected[index]) return false;
  return true;
}

/** Reads the `logprob` of each entry of a `content` list, and not those of the alternatives inside an entry. */
function readLogprobs(bytes: Buffer, start: number): Lift | undefined {
  const logprobs: number[] = [];
  let depth = 1;
  let entries = 0;
  let at = start;
  while (depth > 0) {
    const byte = bytes[at];
    if (byte === undefined) return undefined;
    if (byte === quote) {
      const next = skipString(bytes, at);
      if (depth === 2 && bytes[next] === 58 && matches(bytes, at + 1, logprobKey)) {
        at = next + 1;
        let end = at;
        while (end < bytes.length && bytes[end] !== comma && bytes[end] !== 125) end += 1;
        const logprob = end === at ? Number.NaN : Number(bytes.toString('latin1', at, end));
        if (Number.isNaN(logprob)) return undefined;
        logprobs.push(logprob);
        at = end;
      } else if (depth === 1) return undefined;
      else at = next;
    } else {
      // [ and { open, ] and } close.
      if (byte === 91 || byte === 123) {
        if (depth === 1) entries += 1;
        depth += 1;
      } else if (byte === 93 || byte === 125) depth -= 1;
      else if (depth === 1 && byte !== comma) return undefined;
      at += 1;
    }
  }
  // An entry without a number, or with two, is for the parser to judge.
  if (entries !== logprobs.length) return undefined;
  if (bytes[at] === 125) return { list: Float32Array.from(logprobs), end: at + 1 };
  const hasNoRefusal = matches(bytes, at, noRefusal);
  return hasNoRefusal ? { list: Float32Array.from(logprobs), end: at + noRefusal.length } : undefined;
}

/** Every list to lift, in order: where its value begins in the bytes, and what it holds. */
function findLifts(bytes: Buffer): { readonly from: number; readonly lift: Lift }[] {
  const found: { from: number; lift: Lift }[] = [];
  const collect = (key: Buffer, keyLength: number, read: (bytes: Buffer, start: number) => Lift | undefined): void => {
    for (let at = bytes.indexOf(key); at >= 0;) {
      const lift = read(bytes, at + key.length);
      if (lift !== undefined) found.push({ from: at + keyLength, lift });
      at = bytes.indexOf(key, lift?.end ?? at + key.length);
    }
  };
  collect(promptIdsKey, promptIdsKey.length - 1, readIds);
  collect(idsKey, idsKey.length - 1, readIds);
  collect(logprobsKey, '"logprobs":'.length, readLogprobs);
  return found.toSorted((a, b) => a.from - b.from);
}

function lift(bytes: Buffer): LiftedJson {
  const lists: (Int32Array | Float32Array)[] = [];
  let text = '';
  let from = 0;
  for (const { from: at, lift: lifted } of findLifts(bytes)) {
    if (at < from) continue;
    text += `${bytes.toString('utf8', from, at)}${lists.length}`;
    lists.push(lifted.list);
    from = lifted.end;
  }
  return { text: text + bytes.toString('utf8', from), lists };
}

/** Puts the lists in place of their positions; returns how many found one. */
function putBack(object: Record<string, unknown>, fields: readonly string[], lists: LiftedJson['lists']): number {
  let count = 0;
  for (const field of fields) {
    const list = typeof object[field] === 'number' ? lists[object[field]] : undefined;
    if (list === undefined) continue;
    object[field] = list;
    count += 1;
  }
  return count;
}

/**
 * Parses a chat completion, with `prompt_token_ids`, `token_ids` and the choices' `logprobs` as typed arrays; undefined
 * where that needs the ordinary parser: lists in other places, other spacing, numbers that are no ids, broken JSON.
 */
export function parseLifted(bytes: Buffer): Record<string, unknown> | undefined {
  const { text, lists } = lift(bytes);
  let payload: Record<string, unknown> & { readonly choices?: unknown };
  try {
    payload = JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
  if (typeof payload !== 'object' || payload === null || lists.length === 0) return undefined;
  let count = putBack(payload, ['prompt_token_ids'], lists);
  const { choices } = payload;
  if (Array.isArray(choices))
    for (const choice of choices) {
      if (typeof choice === 'object' && choice !== null)
        count += putBack(choice as Record<string, unknown>, ['token_ids', 'prompt_token_ids', 'logprobs'], lists);
    }
  return count === lists.length ? payload : undefined;
}
