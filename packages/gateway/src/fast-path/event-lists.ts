import type { NumberScanner } from './number-scanner.ts';

/** The bytes that begin the lists of an entry's log-probabilities, after `"logprobs":`. */
export const logprobsOpening = '{"content":[';

/** The positions of the ids and log-probabilities of its one choice in a chunk's bytes. */
export interface EventLists {
  /** The first byte of the value of `logprobs`; `logprobsEnd` is the one after it. */
  readonly logprobsAt: number;
  readonly logprobsEnd: number;
  /** The comma before `token_ids`; `idsEnd` is the byte after its list. */
  readonly idsAt: number;
  readonly idsEnd: number;
}

// A quote inside a JSON string is escaped, so that these can only be a key and the beginning of its value.
export const idsOpening: Buffer = Buffer.from(',"token_ids":[');
const logprobsKey = '"logprobs":';
const logprobsList = Buffer.from(logprobsKey + logprobsOpening);
const promptIdsKey = Buffer.from('"prompt_token_ids"');

/**
 * Finds the ids and log-probabilities of its one choice in a chunk; returns undefined where there are others too, such as a prompt's or
 * another choice's, or what the scanner leaves to the ordinary parser.
 */
export function findLists(scanner: NumberScanner, bytes: Buffer): EventLists | undefined {
  const keyAt = bytes.indexOf(logprobsList);
  const idsAt = bytes.indexOf(idsOpening, keyAt < 0 ? 0 : keyAt);
  if (keyAt < 0 || idsAt < 0 || bytes.includes(promptIdsKey)) return undefined;
  const logprobs = scanner.logprobs(bytes, keyAt + logprobsList.length);
  const ids = scanner.ids(bytes, idsAt + idsOpening.length);
  if (logprobs === undefined || ids === undefined || logprobs.end > idsAt) return undefined;
  if (bytes.includes(idsOpening, ids.end) || bytes.includes(logprobsList, logprobs.end)) return undefined;
  return {
    logprobsAt: keyAt + logprobsKey.length,
    logprobsEnd: logprobs.end,
    idsAt,
    idsEnd: ids.end,
  };
}

/** Returns the chunk without its ids, and with log-probabilities null: the rest is what the agent gets, byte for byte. */
export function bytesWithout(bytes: Buffer, { logprobsAt, logprobsEnd, idsAt, idsEnd }: EventLists): Buffer {
  return Buffer.concat([
    bytes.subarray(0, logprobsAt),
    Buffer.from('null'),
    bytes.subarray(logprobsEnd, idsAt),
    bytes.subarray(idsEnd),
  ]);
}
