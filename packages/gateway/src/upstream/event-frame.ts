import {
  idsOpening,
  logprobsOpening,
  readIds,
  readLogprobs,
  skipString,
  textWithout,
  type Lifted,
} from './lift-event.ts';
import { isPayload, onlyChoice, type Payload } from './reply-format.ts';

/** Where the text that chunks differ in stands in the frame's payload. */
interface Slot {
  readonly parent: Payload;
  readonly field: string;
}

/** The parts of a chunk that do not differ, in order. */
interface FrameParts {
  /** Up to the differing text, with its first quote. */
  readonly head: string;
  /** From its last quote to the first entry of the log-probabilities. */
  readonly middle: string;
  /** From the end of the log-probabilities to the first id. */
  readonly between: string;
  /** After the ids. */
  readonly tail: string;
  /** All from the last quote of the differing text on, without log-probabilities and ids. */
  readonly shown: string;
}

/** Characters that a JSON string cannot hold as they are come before this. */
const lowestPlain = 32;
const quote = 34;
const backslash = 92;

/** A text that stands for the differing one while a frame is learned. */
const marker = 'agent-lightning differs here';

/**
 * What the chunks of one stream have in common: everything but one text, the log-probabilities and the token ids. A chunk
 * that is the frame, letter by letter, means what the chunk that it was learned from means with another text: it
 * need not be parsed. Holds the chunk that was read last.
 */
export class EventFrame {
  readonly #parts: FrameParts;
  readonly #slot: Slot;
  /** Without ids, and with log-probabilities null. */
  readonly payload: Payload;
  /** The payload as JSON. */
  text = '';
  readonly ids: number[] = [];
  readonly logprobs: number[] = [];

  constructor(parts: FrameParts, payload: Payload, slot: Slot) {
    this.#parts = parts;
    this.payload = payload;
    this.#slot = slot;
  }

  /** Reads the chunk that stands from `start` to `end`; false when it is not the frame's. */
  read(text: string, start: number, end: number): boolean {
    const { head, middle, between, tail, shown } = this.#parts;
    const from = start + head.length;
    if (text.slice(start, from) !== head) return false;
    const to = endOfText(text, from);
    if (to < 0 || !text.startsWith(middle, to)) return false;
    this.logprobs.length = 0;
    const logprobsEnd = readLogprobs(text, to + middle.length, this.logprobs);
    if (logprobsEnd < 0 || !text.startsWith(between, logprobsEnd)) return false;
    this.ids.length = 0;
    const idsEnd = readIds(text, logprobsEnd + between.length, this.ids);
    if (idsEnd + tail.length !== end || !text.startsWith(tail, idsEnd)) return false;
    const raw = text.slice(from, to);
    const said = raw.includes('\\') ? unescape(raw) : raw;
    if (said === undefined) return false;
    this.#slot.parent[this.#slot.field] = said;
    this.text = head + raw + shown;
    return true;
  }
}

/** The quote that ends a JSON string; -1 where there is none, or what JSON has escaped. */
function endOfText(text: string, from: number): number {
  for (let at = from; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === quote) return at;
    if (code < lowestPlain) return -1;
    if (code === backslash) at += 1;
  }
  return -1;
}

function unescape(raw: string): string | undefined {
  try {
    return JSON.parse(`"${raw}"`) as string;
  } catch {
    return undefined;
  }
}

/** The last string value before `end`, between its quotes. */
function lastText(text: string, end: number): { readonly from: number; readonly to: number } | undefined {
  let found: { from: number; to: number } | undefined;
  for (let at = text.indexOf('"'); at >= 0 && at < end;) {
    const next = skipString(text, at);
    if (text[at - 1] === ':') found = { from: at + 1, to: next - 1 };
    at = text.indexOf('"', next);
  }
  return found !== undefined && found.to < end ? found : undefined;
}

/** The text of a delta, or the arguments of its one tool call. */
function slotOf(delta: Payload): Slot | undefined {
  for (const field of ['content', 'reasoning', 'reasoning_content', 'refusal'])
    if (delta[field] === marker) return { parent: delta, field };
  const calls = delta['tool_calls'];
  const call: unknown = Array.isArray(calls) && calls.length === 1 ? calls[0] : undefined;
  const called = isPayload(call) ? call['function'] : undefined;
  return isPayload(called) && called['arguments'] === marker ? { parent: called, field: 'arguments' } : undefined;
}

/** Learns a frame from a good chunk in which `liftEvent` found these lists; undefined when it is none that others can be read through. */
export function learnFrame(text: string, lifted: Lifted): EventFrame | undefined {
  const differing = lastText(text, lifted.logprobsAt);
  if (differing === undefined || text.includes(marker)) return undefined;
  const { from, to } = differing;
  const shown = textWithout(text, lifted);
  const payload = JSON.parse(shown.slice(0, from) + marker + shown.slice(to)) as Payload;
  const delta = onlyChoice(payload)?.['delta'];
  const slot = isPayload(delta) ? slotOf(delta) : undefined;
  if (slot === undefined) return undefined;
  const parts = {
    head: text.slice(0, from),
    middle: `${text.slice(to, lifted.logprobsAt)}${logprobsOpening}`,
    between: `${text.slice(lifted.logprobsEnd, lifted.idsAt)}${idsOpening}`,
    tail: text.slice(lifted.idsEnd),
    shown: shown.slice(to),
  };
  return new EventFrame(parts, payload, slot);
}
