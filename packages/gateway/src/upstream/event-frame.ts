import { GrowingArray } from '../chat/growing-array.ts';
import type { EventBytes } from '../http/event-bytes.ts';
import { bytesWithout, idsOpening, type Lifted } from './lift-event.ts';
import { logprobsOpening, readIds, readLogprobs, skipString, standsAt } from './number-lists.ts';
import { isPayload, onlyChoice, type Payload } from './reply-format.ts';

/** Where the text that chunks differ in stands in the frame's payload. */
interface Slot {
  readonly parent: Payload;
  readonly field: string;
}

/** The parts of a chunk that do not differ, in order. */
interface FrameParts {
  /** Up to the differing text, with its first quote. */
  readonly head: Buffer;
  /** From its last quote to the first entry of the log-probabilities. */
  readonly middle: Buffer;
  /** From the end of the log-probabilities to the first id. */
  readonly between: Buffer;
  /** After the ids. */
  readonly tail: Buffer;
  /** What stands around the differing text in the event that the agent gets. */
  readonly shownHead: Buffer;
  readonly shownTail: Buffer;
}

/** Characters that a JSON string cannot hold as they are come before this. */
const lowestPlain = 32;
const quote = 34;
const colon = 58;
const backslash = 92;
const lowestNonAscii = 128;

/** A text that stands for the differing one while a frame is learned. */
const marker = 'agent-lightning differs here';

/**
 * What the chunks of one stream have in common: everything but one text, the log-probabilities and the token ids. A chunk
 * that is the frame, byte by byte, means what the chunk that it was learned from means with another text: it need not be
 * parsed. Gathers the chunks that it read, which together mean one chunk with all of their texts and lists.
 */
export class EventFrame {
  readonly #parts: FrameParts;
  readonly #payload: Payload;
  readonly #slot: Slot;
  readonly ids: GrowingArray<Int32Array> = new GrowingArray((length) => new Int32Array(length));
  readonly logprobs: GrowingArray<Float32Array> = new GrowingArray((length) => new Float32Array(length));
  #said = '';

  constructor(parts: FrameParts, payload: Payload, slot: Slot) {
    this.#parts = parts;
    this.#payload = payload;
    this.#slot = slot;
  }

  /** Reads the chunk that stands from `start` to `end`, and adds what the agent gets of it to `output`; false when it is not the frame's. */
  read(bytes: Buffer, start: number, end: number, output: EventBytes | undefined): boolean {
    const { head, shownHead, shownTail } = this.#parts;
    if (!standsAt(bytes, start, head)) return false;
    const from = start + head.length;
    const to = endOfText(bytes, from);
    const [ids, logprobs] = [this.ids.length, this.logprobs.length];
    const said = to >= 0 && this.#readLists(bytes, to, end) ? textOf(bytes, from, to) : undefined;
    if (said === undefined) {
      this.ids.truncate(ids);
      this.logprobs.truncate(logprobs);
      return false;
    }
    this.#said += said;
    if (output !== undefined) {
      output.append(shownHead);
      output.append(bytes, from, to);
      output.append(shownTail);
    }
    return true;
  }

  #readLists(bytes: Buffer, start: number, end: number): boolean {
    const { middle, between, tail } = this.#parts;
    if (!standsAt(bytes, start, middle)) return false;
    const logprobsEnd = readLogprobs(bytes, start + middle.length, this.logprobs);
    if (logprobsEnd < 0 || !standsAt(bytes, logprobsEnd, between)) return false;
    const idsEnd = readIds(bytes, logprobsEnd + between.length, this.ids);
    return idsEnd >= 0 && idsEnd + tail.length === end && standsAt(bytes, idsEnd, tail);
  }

  /** The payload of all chunks that were read since `clear`, without ids, and with log-probabilities null. */
  payload(): Payload {
    this.#slot.parent[this.#slot.field] = this.#said;
    return this.#payload;
  }

  clear(): void {
    this.#said = '';
    this.ids.truncate(0);
    this.logprobs.truncate(0);
  }
}

/** The quote that ends a JSON string; -1 where there is none, or what JSON has escaped. */
function endOfText(bytes: Buffer, from: number): number {
  for (let at = from; at < bytes.length; at += 1) {
    const byte = bytes[at] as number;
    if (byte === quote) return at;
    if (byte < lowestPlain) return -1;
    if (byte === backslash) at += 1;
  }
  return -1;
}

/** The value of a JSON string between its quotes; undefined for a wrong escape. */
function textOf(bytes: Buffer, from: number, to: number): string | undefined {
  let text = '';
  for (let at = from; at < to; at += 1) {
    const byte = bytes[at] as number;
    if (byte === backslash || byte >= lowestNonAscii) return unescape(bytes.toString('utf8', from, to));
    text += String.fromCharCode(byte);
  }
  return text;
}

function unescape(raw: string): string | undefined {
  try {
    return JSON.parse(`"${raw}"`) as string;
  } catch {
    return undefined;
  }
}

/** The last string value before `end`, between its quotes. */
function lastText(bytes: Buffer, end: number): { readonly from: number; readonly to: number } | undefined {
  let found: { from: number; to: number } | undefined;
  for (let at = bytes.indexOf(quote); at >= 0 && at < end;) {
    const next = skipString(bytes, at);
    if (bytes[at - 1] === colon) found = { from: at + 1, to: next - 1 };
    at = bytes.indexOf(quote, next);
  }
  return found !== undefined && found.to < end ? found : undefined;
}

/** The text of a delta, or the arguments of its one tool call. */
function slotOf(delta: Payload): Slot | undefined {
  for (const field of ['content', 'reasoning', 'reasoning_content', 'refusal'])
    if (delta[field] === marker) return saysOnly(delta, field) ? { parent: delta, field } : undefined;
  const calls = delta['tool_calls'];
  const call: unknown = Array.isArray(calls) && calls.length === 1 ? calls[0] : undefined;
  const called = isPayload(call) ? call['function'] : undefined;
  if (!isPayload(called) || called['arguments'] !== marker || !saysOnly(delta, 'tool_calls')) return undefined;
  return saysOnly(called, 'arguments') ? { parent: called, field: 'arguments' } : undefined;
}

/** Whether all else that is said is empty: what every chunk said again could not be told once for all of them. */
function saysOnly(said: Payload, field: string): boolean {
  return Object.entries(said).every(
    ([name, value]) => name === field || name === 'role' || value === null || value === '',
  );
}

/** Learns a frame from a good chunk in which `liftEvent` found these lists; undefined when it is none that others can be read through. */
export function learnFrame(chunk: Buffer, lifted: Lifted): EventFrame | undefined {
  const differing = lastText(chunk, lifted.logprobsAt);
  if (differing === undefined || chunk.includes(marker)) return undefined;
  const { from, to } = differing;
  const shown = bytesWithout(chunk, lifted);
  const [head, shownTail] = [chunk.subarray(0, from), shown.subarray(to)];
  const payload = JSON.parse(`${head.toString()}${marker}${shownTail.toString()}`) as Payload;
  const delta = onlyChoice(payload)?.['delta'];
  const slot = isPayload(delta) ? slotOf(delta) : undefined;
  if (slot === undefined) return undefined;
  const parts = {
    head: Buffer.from(head),
    middle: Buffer.concat([chunk.subarray(to, lifted.logprobsAt), Buffer.from(logprobsOpening)]),
    between: Buffer.concat([chunk.subarray(lifted.logprobsEnd, lifted.idsAt), idsOpening]),
    tail: Buffer.from(chunk.subarray(lifted.idsEnd)),
    shownHead: Buffer.concat([Buffer.from('data: '), head]),
    shownTail: Buffer.concat([shownTail, Buffer.from('\n\n')]),
  };
  return new EventFrame(parts, payload, slot);
}
