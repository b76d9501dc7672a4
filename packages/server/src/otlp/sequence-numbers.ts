import type { LightningStore, Span } from '@agent-lightning/core';
import { originAttribute, type SpanOrigin } from './to-span.ts';

/** The most rollouts whose numbers are remembered; those of others are read from their spans again. */
const mostRollouts = 100_000;

/**
 * Gives out numbers for the spans of a rollout, as Agent Lightning 0.3 orders them: a client may ask for one before it has a span, choose
 * its own, and let several spans share one.
 */
export class SequenceNumbers {
  readonly #store: Pick<LightningStore, 'querySpans'>;
  readonly #last: Map<string, Promise<{ number: number }>> = new Map();

  constructor(store: Pick<LightningStore, 'querySpans'>) {
    this.#store = store;
  }

  /** Takes `count` numbers in a row, and returns the first. */
  async take(rolloutId: string, count = 1): Promise<number> {
    const last = await this.#lastOf(rolloutId);
    const first = last.number + 1;
    last.number += count;
    return first;
  }

  /** Notes a number that a client chose: what is given out later is higher. */
  async note(rolloutId: string, number: number): Promise<void> {
    const last = await this.#lastOf(rolloutId);
    last.number = Math.max(last.number, number);
  }

  #lastOf(rolloutId: string): Promise<{ number: number }> {
    const known = this.#last.get(rolloutId);
    if (known !== undefined) return known;
    const read = this.#read(rolloutId);
    this.#last.set(rolloutId, read);
    read.catch(() => this.#last.delete(rolloutId));
    const oldest = this.#last.keys().next().value;
    if (this.#last.size > mostRollouts && oldest !== undefined) this.#last.delete(oldest);
    return read;
  }

  async #read(rolloutId: string): Promise<{ number: number }> {
    const spans = await this.#store.querySpans({ rolloutIds: [rolloutId] });
    return { number: spans.reduce((most, span) => Math.max(most, sequenceNumberOf(span)), 0) };
  }
}

/** Returns the number of a span: the one that it came with, or else the store's. */
export function sequenceNumberOf(span: Span): number {
  const number = originOf(span).parts?.['sequence_id'];
  return typeof number === 'number' ? number : span.sequenceId;
}

/** Returns what is kept of a span's origin; nothing for a span of our own. */
export function originOf(span: Pick<Span, 'attributes'>): SpanOrigin {
  const text = span.attributes[originAttribute];
  if (typeof text !== 'string') return {};
  try {
    const origin = JSON.parse(text) as unknown;
    return typeof origin === 'object' && origin !== null ? (origin as SpanOrigin) : {};
  } catch {
    return {}; // A runner may write any attribute: it is none of ours then.
  }
}
