import { JsonReplyReader, takeReply } from '../reply-reader/json-reader.ts';
import type { Payload } from '../reply-reader/reply-format.ts';
import type { FastPathCounts, ReplyReader, ReplyTarget, StreamReader } from '../reply-reader/reply-reader.ts';
import { FastStreamReader } from './fast-stream.ts';
import { isSupported, NumberScanner } from './number-scanner.ts';
import { parseTypedLists } from './typed-lists.ts';

/** Reads ids and log-probabilities that the agent does not see without parsing them; leaves the rest to the JSON parser. */
export class FastReplyReader implements ReplyReader {
  readonly #json = new JsonReplyReader();
  readonly #scanner: NumberScanner;

  constructor(scanner: NumberScanner) {
    this.#scanner = scanner;
  }

  get counts(): FastPathCounts {
    return this.#json.counts;
  }

  readWhole(bytes: Buffer, target: ReplyTarget): Payload {
    const payload = hidesNumbers(target) ? parseTypedLists(this.#scanner, bytes) : undefined;
    if (payload === undefined) return this.#json.readWhole(bytes, target);
    this.counts.hits += 1;
    return takeReply(payload, target);
  }

  openStream(target: ReplyTarget): StreamReader {
    const json = this.#json.openStream(target);
    return hidesNumbers(target) ? new FastStreamReader(this.#scanner, target, json, this.counts) : json;
  }
}

function hidesNumbers({ isCaptured, view }: ReplyTarget): boolean {
  return isCaptured && !view.tokenIds && !view.logprobs;
}

/** The one scanner of the process: a scanner's memory never shrinks, so there should not be several. */
let shared: NumberScanner | undefined;

/** Returns a reader with the fast path, where that is wanted and WebAssembly runs, else the plain one. */
export function createReplyReader(fastPath: boolean): ReplyReader {
  if (!fastPath || !isSupported()) return new JsonReplyReader();
  shared ??= new NumberScanner();
  return new FastReplyReader(shared);
}
