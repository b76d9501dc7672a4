import { hash } from 'node:crypto';
import { attributeNames, type Span, type SpanInput } from '@agent-lightning/core';

/** The most attempts whose writes are remembered: those of the last steps, which are read when their step ends. */
const mostAttempts = 20_000;

interface WrittenSpan {
  /** Digests of what was written: two while an open span may not have been replaced yet. */
  readonly digests: Set<string>;
  /** The span itself, of a reward, once the store has it. */
  readonly reward?: Span;
}

/** Holds what this process wrote of one attempt. */
export interface WrittenAttempt {
  readonly rolloutId: string;
  readonly attemptId: string;
  readonly spans: Map<string, WrittenSpan>;
}

/** Returns a digest of a span's content, the same for what is written and what is read back. */
export function digestOf({ kind, name, status, attributes }: SpanInput): string {
  const fields = Object.entries(attributes).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return hash('sha256', JSON.stringify([kind, name, status.code, status.message ?? null, fields]), 'base64');
}

/** Returns a digest of a span's tokens; undefined when it has none. */
function tokenDigestOf({ tokens }: SpanInput): string | undefined {
  if (tokens === undefined) return undefined;
  const bytes = [tokens.prompt, tokens.response, tokens.logprobs].map((array) =>
    Buffer.from(array.buffer, array.byteOffset, array.byteLength),
  );
  return `${tokens.prompt.length}:${tokens.response.length}:${hash('sha256', Buffer.concat(bytes), 'base64')}`;
}

/** Remembers what this process wrote into a store, so that it can tell whether somebody else changed it since. */
export class WrittenSpans {
  readonly #attempts = new Map<string, WrittenAttempt>();
  readonly #newest = new Map<string, WrittenAttempt>();

  /** Opens the memory of an attempt. */
  open(rolloutId: string, attemptId: string): WrittenAttempt {
    const key = `${rolloutId}\n${attemptId}`;
    const known = this.#attempts.get(key);
    if (known !== undefined) return known;
    const attempt = { rolloutId, attemptId, spans: new Map<string, WrittenSpan>() };
    this.#attempts.set(key, attempt);
    this.#newest.set(rolloutId, attempt);
    for (const [oldestKey, oldest] of this.#attempts) {
      if (this.#attempts.size <= mostAttempts) break;
      this.#attempts.delete(oldestKey);
      if (this.#newest.get(oldest.rolloutId) === oldest) this.#newest.delete(oldest.rolloutId);
    }
    return attempt;
  }

  find(rolloutId: string, attemptId: string): WrittenAttempt | undefined {
    return this.#attempts.get(`${rolloutId}\n${attemptId}`);
  }

  /** Returns the newest attempt of a rollout that is remembered. */
  newestOf(rolloutId: string): WrittenAttempt | undefined {
    return this.#newest.get(rolloutId);
  }

  /** Remembers spans that are being written. The store may have them even when it does not say so. */
  begin(attempt: WrittenAttempt, spans: readonly SpanInput[]): void {
    for (const span of spans) {
      const written = attempt.spans.get(span.spanId) ?? { digests: new Set<string>() };
      written.digests.add(digestOf(span));
      const tokens = tokenDigestOf(span);
      if (tokens !== undefined) written.digests.add(tokens);
      attempt.spans.set(span.spanId, written);
    }
  }

  /** Keeps the rewards that the store has taken, with the sequence ids that it gave them. */
  keepRewards(attempt: WrittenAttempt, spans: readonly SpanInput[], sequenceIds: readonly number[]): void {
    const { rolloutId, attemptId } = attempt;
    for (const [index, span] of spans.entries()) {
      const written = attempt.spans.get(span.spanId);
      // A span id that is there already keeps what was written first.
      if (span.kind !== 'reward' || written === undefined || written.reward !== undefined) continue;
      const reward: Span = { ...span, rolloutId, attemptId, sequenceId: sequenceIds[index] as number };
      attempt.spans.set(span.spanId, { ...written, reward });
    }
  }
}

/** Tells whether a span is as it was written. */
export function isAsWritten(span: Span, written: WrittenSpan): boolean {
  const tokens = tokenDigestOf(span);
  return written.digests.has(digestOf(span)) && (tokens === undefined || written.digests.has(tokens));
}

/** Returns a span that must not be trained on, since nobody knows what it was. */
export function asUntrusted(span: Span): Span {
  const reason = 'the store has it otherwise than this process wrote it: somebody else has changed it';
  return { ...span, attributes: { ...span.attributes, [attributeNames.untrainable]: reason } };
}
