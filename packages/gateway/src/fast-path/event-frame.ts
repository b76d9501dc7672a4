import { GrowingArray } from '../reply/growing-array.ts';
import { bytesWithout, findLists, idsOpening, logprobsOpening } from './event-lists.ts';
import { longestFrameBytes, type FrameParts, type NumberScanner, type ScannedEvents } from './number-scanner.ts';
import { isPayload, onlyChoice, type Payload } from '../reply-reader/reply-format.ts';

/** The place in the frame's payload of the text that chunks differ in. */
interface Slot {
  readonly parent: Payload;
  readonly field: string;
}

const quote = 34;
const colon = 58;
const backslash = 92;

/** A text that stands for the differing one while a frame is learned. */
const marker = 'agent-lightning differs here';

/**
 * Holds what the chunks of one stream have in common: everything but one text, the log-probabilities and the token ids. A chunk
 * that is the frame, byte by byte, means what the chunk that it was learned from means with another text: it need not be
 * parsed. Gathers the chunks that it read, which together mean one chunk with all of their texts and lists.
 */
export class EventFrame {
  readonly #scanner: NumberScanner;
  readonly #parts: FrameParts;
  readonly #payload: Payload;
  readonly #slot: Slot;
  readonly ids: GrowingArray<Int32Array> = new GrowingArray((length) => new Int32Array(length));
  readonly logprobs: GrowingArray<Float32Array> = new GrowingArray((length) => new Float32Array(length));
  #said = '';

  constructor(scanner: NumberScanner, parts: FrameParts, payload: Payload, slot: Slot) {
    this.#scanner = scanner;
    this.#parts = parts;
    this.#payload = payload;
    this.#slot = slot;
  }

  /** Reads the events from `start` on for as long as they are the frame's, `limit` of them at most; returns undefined when none is. */
  read(bytes: Buffer, start: number, limit: number): Pick<ScannedEvents, 'end' | 'count' | 'shown'> | undefined {
    const events = this.#scanner.events(bytes, start, this.#parts, limit);
    if (events === undefined) return undefined;
    this.ids.append(events.ids);
    this.logprobs.append(events.logprobs);
    this.#said += events.isEscaped ? (JSON.parse(`"${events.said}"`) as string) : events.said;
    return events;
  }

  /** Returns the payload of all chunks that were read since `clear`, without ids, and with log-probabilities null. */
  payload(): Payload {
    this.#slot.parent[this.#slot.field] = this.#said;
    return this.#payload;
  }

  clear(): void {
    this.#said = '';
    this.ids.clear();
    this.logprobs.clear();
  }
}

/** Returns the byte after a JSON string that begins at `start`, its first quote included. */
function skipString(bytes: Buffer, start: number): number {
  let at = start + 1;
  while (at < bytes.length && bytes[at] !== quote) at += bytes[at] === backslash ? 2 : 1;
  return at + 1;
}

/** Returns the last string value before `end`, between its quotes. */
function lastText(bytes: Buffer, end: number): { readonly from: number; readonly to: number } | undefined {
  let found: { from: number; to: number } | undefined;
  for (let at = bytes.indexOf(quote); at >= 0 && at < end;) {
    const next = skipString(bytes, at);
    if (bytes[at - 1] === colon) found = { from: at + 1, to: next - 1 };
    at = bytes.indexOf(quote, next);
  }
  return found !== undefined && found.to < end ? found : undefined;
}

/** Returns the place of the text of a good payload's delta, or the arguments of its one tool call. */
function slotOf(payload: Payload): Slot | undefined {
  const delta = onlyChoice(payload)?.['delta'];
  if (!isPayload(delta) || (payload['error'] ?? null) !== null) return undefined;
  for (const field of ['content', 'reasoning', 'reasoning_content', 'refusal'])
    if (delta[field] === marker) return saysOnly(delta, field) ? { parent: delta, field } : undefined;
  const calls = delta['tool_calls'];
  const call: unknown = Array.isArray(calls) && calls.length === 1 ? calls[0] : undefined;
  const called = isPayload(call) ? call['function'] : undefined;
  if (!isPayload(called) || called['arguments'] !== marker || !saysOnly(delta, 'tool_calls')) return undefined;
  return saysOnly(called, 'arguments') ? { parent: called, field: 'arguments' } : undefined;
}

/** Tells whether all other fields are empty: a value that every chunk repeats cannot stand once for all of them. */
function saysOnly(said: Payload, field: string): boolean {
  return Object.entries(said).every(
    ([name, value]) => name === field || name === 'role' || value === null || value === '',
  );
}

const opening = Buffer.from('data: ');
const ending = Buffer.from('\n\n');
/** The length above which a chunk is not expected to resemble others. */
const longestChunk = 8_192;

/** Returns the chunk of the event that begins at `start`; undefined when there is none, not all of it, or it is a long one. */
export function chunkAt(bytes: Buffer, start: number): Buffer | undefined {
  const from = start + opening.length;
  if (!bytes.subarray(start, from).equals(opening)) return undefined;
  const end = bytes.indexOf(ending, from);
  return end < 0 || end - from > longestChunk ? undefined : bytes.subarray(from, end);
}

/** Learns a frame from a chunk; returns undefined when others cannot be read through it. */
export function learnFrame(scanner: NumberScanner, chunk: Buffer): EventFrame | undefined {
  const lists = findLists(scanner, chunk);
  const differing = lists === undefined ? undefined : lastText(chunk, lists.logprobsAt);
  if (lists === undefined || differing === undefined || chunk.includes(marker)) return undefined;
  const [head, shownTail] = [chunk.subarray(0, differing.from), bytesWithout(chunk, lists).subarray(differing.to)];
  const payload = parsed(`${head.toString()}${marker}${shownTail.toString()}`);
  const slot = payload === undefined ? undefined : slotOf(payload);
  if (payload === undefined || slot === undefined) return undefined;
  const shownHead = Buffer.concat([opening, head]);
  const parts = framePartsOf(
    shownHead,
    Buffer.concat([chunk.subarray(differing.to, lists.logprobsAt), Buffer.from(logprobsOpening)]),
    Buffer.concat([chunk.subarray(lists.logprobsEnd, lists.idsAt), idsOpening]),
    Buffer.concat([chunk.subarray(lists.idsEnd), ending]),
    shownHead,
    Buffer.concat([shownTail, ending]),
  );
  return parts.bytes.length > longestFrameBytes ? undefined : new EventFrame(scanner, parts, payload, slot);
}

/** Parses a payload; returns undefined for one that the ordinary parser is to reject. */
function parsed(text: string): Payload | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isPayload(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

type Six<Item> = readonly [Item, Item, Item, Item, Item, Item];

function framePartsOf(...parts: Six<Buffer>): FrameParts {
  const [a, b, c, d, e, f] = parts;
  return { bytes: Buffer.concat(parts), lengths: [a.length, b.length, c.length, d.length, e.length, f.length] };
}
