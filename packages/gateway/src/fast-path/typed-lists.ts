import { logprobsOpening } from './event-lists.ts';
import type { NumberScanner, ScannedList } from './number-scanner.ts';

/**
 * A reply's JSON whose long lists of numbers were read straight from the bytes: as JSON they would cost more than all
 * the rest of a call. Where a list was, the text has its position in `lists`.
 */
interface ListlessJson {
  readonly text: string;
  readonly lists: readonly (Int32Array | Float32Array)[];
}

/** A list, and where its value begins in the bytes. */
interface FoundList extends ScannedList<Int32Array | Float32Array> {
  readonly from: number;
}

// A quote inside a JSON string is escaped, so that these bytes can only be a key and the beginning of its value.
const promptIdsKey = Buffer.from('"prompt_token_ids":[');
const idsKey = Buffer.from('"token_ids":[');
const logprobsKey = Buffer.from(`"logprobs":${logprobsOpening}`);

/** Returns every list that the scanner reads, in order. */
function findLists(scanner: NumberScanner, bytes: Buffer): FoundList[] {
  const found: FoundList[] = [];
  const collect = (key: Buffer, keyLength: number, read: 'ids' | 'logprobs'): void => {
    for (let at = bytes.indexOf(key); at >= 0;) {
      const list = scanner[read](bytes, at + key.length);
      if (list !== undefined) found.push({ from: at + keyLength, ...list });
      at = bytes.indexOf(key, list?.end ?? at + key.length);
    }
  };
  collect(promptIdsKey, promptIdsKey.length - 1, 'ids');
  collect(idsKey, idsKey.length - 1, 'ids');
  collect(logprobsKey, '"logprobs":'.length, 'logprobs');
  return found.toSorted((a, b) => a.from - b.from);
}

function takeOut(scanner: NumberScanner, bytes: Buffer): ListlessJson {
  const lists: (Int32Array | Float32Array)[] = [];
  let text = '';
  let from = 0;
  for (const { from: at, list, end } of findLists(scanner, bytes)) {
    if (at < from) continue;
    text += `${bytes.toString('utf8', from, at)}${lists.length}`;
    lists.push(list);
    from = end;
  }
  return { text: text + bytes.toString('utf8', from), lists };
}

/** Puts the lists in place of their positions; returns how many found one. */
function putBack(object: Record<string, unknown>, fields: readonly string[], lists: ListlessJson['lists']): number {
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
 * Parses a chat completion, with `prompt_token_ids`, `token_ids` and the choices' `logprobs` as typed arrays; returns undefined
 * where that needs the ordinary parser: lists in other places, other spacing, numbers that are no ids, broken JSON.
 */
export function parseTypedLists(scanner: NumberScanner, bytes: Buffer): Record<string, unknown> | undefined {
  const { text, lists } = takeOut(scanner, bytes);
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
