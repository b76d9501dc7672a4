import {
  readReward,
  toEpisode,
  type AttributeValue,
  attributeNames,
  type JsonValue,
  type LightningStore,
  type Rollout,
  type Span,
} from '@agent-lightning/core';
import { viewRollout } from '@agent-lightning/report';
import type { RewardRow, RolloutDetails, SpanRow } from '../api.ts';
import { stepOf } from '../step-of.ts';

/** The most characters of one attribute, and the most spans, that a page gets; the store has the whole. */
const shownCharacters = 20_000;
const shownSpans = 2_000;

/** Reads a rollout with its attempts and the spans of its newest one; undefined where the store has none of this id. */
export async function readRollout(store: LightningStore, rolloutId: string): Promise<RolloutDetails | undefined> {
  const rollout = await store.getRollout(rolloutId);
  if (rollout === undefined) return undefined;
  const attempts = await store.queryAttempts(rolloutId);
  const spans = await store.querySpans({ rolloutIds: [rolloutId], attemptId: 'latest', includeTokens: true });
  const episode = toEpisode(rollout, spans);
  const step = stepOf(rollout);
  const hidden = Math.max(0, spans.length - shownSpans);
  return {
    rollout,
    ...(step !== undefined && { step }),
    attempts,
    view: viewRollout(episode, spans),
    ...(episode.failureKind !== undefined && { failureKind: episode.failureKind }),
    rewards: spans.flatMap(toRewardRows),
    spans: toSpanRows(spans.slice(0, shownSpans)),
    problems: [
      ...(episode.problems ?? []).map(({ spanId, reason }) => `${spanId}: ${reason}`),
      ...(hidden === 0 ? [] : [`${hidden} further spans are in the store, and not on this page`]),
    ],
    calls: episode.transitions.length,
    untrainable: episode.untrainable.map(({ spanId, agentName, reason }) => ({ spanId, agentName, reason })),
  };
}

function toRewardRows(span: Span): readonly RewardRow[] {
  if (span.kind !== 'reward') return [];
  try {
    const { scope, target, dimensions, feedback } = readReward(span)!;
    return dimensions.map(({ name, value }, index) => ({
      name,
      value,
      scope,
      ...(target !== undefined && { target }),
      ...(feedback !== undefined && index === 0 && { feedback }),
    }));
  } catch {
    return []; // the episode's problems name it
  }
}

/** Returns spans as the rows of a waterfall: each below its parent, in order of their beginning. */
export function toSpanRows(spans: readonly Span[]): readonly SpanRow[] {
  const beginning = spans.reduce((least, { startTimeMs }) => Math.min(least, startTimeMs), Infinity);
  const known = new Map(spans.map((span) => [span.spanId, span]));
  const children = Map.groupBy(spans, ({ parentSpanId }) =>
    parentSpanId !== undefined && known.has(parentSpanId) ? parentSpanId : '',
  );
  const rows: SpanRow[] = [];
  const shown = new Set<string>();
  const add = (parent: string, depth: number): void => {
    const own = (children.get(parent) ?? []).toSorted(
      (a, b) => a.startTimeMs - b.startTimeMs || a.sequenceId - b.sequenceId,
    );
    for (const span of own) {
      if (shown.has(span.spanId)) continue;
      shown.add(span.spanId);
      rows.push(toSpanRow(span, depth, beginning));
      add(span.spanId, depth + 1);
    }
  };
  add('', 0);
  // Spans whose parents form a ring hang below nothing.
  for (const span of spans) if (!shown.has(span.spanId)) rows.push(toSpanRow(span, 0, beginning));
  return rows;
}

function toSpanRow(span: Span, depth: number, beginning: number): SpanRow {
  const { spanId, parentSpanId, kind, name, status, startTimeMs, endTimeMs, isOpen = false, tokens } = span;
  const count = (attribute: string): number | undefined => {
    const value = span.attributes[attribute];
    return typeof value === 'number' ? value : undefined;
  };
  const inputTokens = count(attributeNames.inputTokens) ?? tokens?.prompt.length;
  const outputTokens = count(attributeNames.outputTokens) ?? tokens?.response.length;
  return {
    id: spanId,
    ...(parentSpanId !== undefined && { parent: parentSpanId }),
    depth,
    kind,
    name,
    status: status.code,
    ...(status.message !== undefined && { message: status.message }),
    isOpen,
    startMs: startTimeMs - beginning,
    durationMs: Math.max(0, endTimeMs - startTimeMs),
    ...(inputTokens !== undefined && { inputTokens }),
    ...(outputTokens !== undefined && { outputTokens }),
    attributes: Object.fromEntries(Object.entries(span.attributes).map(([key, value]) => [key, cut(value)])),
  };
}

function cut(value: AttributeValue): JsonValue {
  if (typeof value !== 'string') return value as JsonValue;
  const missing = value.length - shownCharacters;
  return missing <= 0 ? value : `${value.slice(0, shownCharacters).toWellFormed()}… [${missing} more characters]`;
}

/** Reads the views of several rollouts, in their order. */
export async function readViews(
  store: LightningStore,
  rollouts: readonly Rollout[],
): Promise<readonly RolloutDetails['view'][]> {
  const rolloutIds = rollouts.map(({ rolloutId }) => rolloutId);
  const spans = await store.querySpans({ rolloutIds, attemptId: 'latest', includeTokens: true });
  const byRollout = Map.groupBy(spans, ({ rolloutId }) => rolloutId);
  return rollouts.map((rollout) => {
    const own = byRollout.get(rollout.rolloutId) ?? [];
    return viewRollout(toEpisode(rollout, own), own);
  });
}
