import {
  attributeNames,
  toEpisode,
  toMessages,
  type JsonValue,
  type LightningStore,
  type Span,
} from '@agent-lightning/core';
import { stepOf } from '../step-of.ts';
import type { Mark } from './marks.ts';
import { labelOf, type Note } from './note.ts';

/**
 * A line of exported notes. With a `label` it is a labelled answer, as `measureAgreement` takes it; the other members say where it comes
 * from.
 */
export interface LabelLine {
  readonly task: JsonValue;
  /** What the agent emitted last, else the last answer of a model; null where neither was recorded. */
  readonly answer: JsonValue;
  /** The reader's score, from 0 to 1; absent where the note has none. */
  readonly label?: number;
  readonly mark?: Mark;
  readonly comment?: string;
  readonly rolloutId: string;
  readonly mode: string;
  readonly step?: number;
  /** The reward that the rollout earned. */
  readonly reward?: number;
  readonly at: string;
}

/** The rollouts whose spans are read at once. */
const batchSize = 100;

/** Yields the notes with the tasks and answers that they are about, the oldest note first; notes on rollouts that are gone are left out. */
export async function* toLabelLines(
  store: Pick<LightningStore, 'queryRollouts' | 'querySpans'>,
  notes: Iterable<Note>,
): AsyncGenerator<LabelLine, void, undefined> {
  const all = [...notes];
  for (let first = 0; first < all.length; first += batchSize) {
    const batch = all.slice(first, first + batchSize);
    const rolloutIds = batch.map(({ rolloutId }) => rolloutId);
    const { items } = await store.queryRollouts({ rolloutIds, limit: batchSize });
    const rollouts = new Map(items.map((rollout) => [rollout.rolloutId, rollout]));
    const spans = Map.groupBy(
      await store.querySpans({ rolloutIds: [...rollouts.keys()], attemptId: 'latest' }),
      (span) => span.rolloutId,
    );
    for (const note of batch) {
      const rollout = rollouts.get(note.rolloutId);
      if (rollout === undefined) continue;
      const own = spans.get(note.rolloutId) ?? [];
      const { reward } = toEpisode(rollout, own);
      const [label, step] = [labelOf(note), stepOf(rollout)];
      const { rolloutId, mark, comment, at } = note;
      yield {
        task: rollout.input,
        answer: findAnswer(own),
        ...(label !== undefined && { label }),
        ...(mark !== undefined && { mark }),
        ...(comment !== undefined && { comment }),
        rolloutId,
        mode: rollout.mode,
        ...(step !== undefined && { step }),
        ...(reward !== undefined && { reward }),
        at,
      };
    }
  }
}

function findAnswer(spans: readonly Span[]): JsonValue {
  const emitted = spans.findLast(
    ({ kind, name, attributes }) =>
      (kind === 'object' && attributes[attributeNames.promptName] === undefined) ||
      (kind === 'message' && name === 'message'),
  );
  const object = emitted?.attributes[attributeNames.objectJson];
  if (typeof object === 'string') return readJson(object);
  const text = emitted?.attributes[attributeNames.messageBody];
  if (typeof text === 'string') return text;
  return (toMessages(spans).conversations.at(-1)?.messages.at(-1)?.content as JsonValue | undefined) ?? null;
}

function readJson(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return text; // a writer of its own
  }
}
