import {
  attributeNames,
  buildBatch,
  rewardAttributes,
  toEpisode,
  type Episode,
  type Span,
} from '@agent-lightning/core';
import { toyEpisode } from '../agents/toy-episode.ts';
import type { LearningCase } from '../learning-case.ts';

/** What two parallel sub-agents do between a plan and a summary: calls with their rewards. */
const branches = { a: [0, 0], b: [1, 0.5], c: [0.25] } as const;
const plan = 0.125;

/** Credit follows the tree of spans: it is the same in whatever order parallel sub-agents answer. */
export const order: LearningCase = {
  name: 'order',
  summary:
    'credit of three parallel sub-agents is the same for every order of arrival, and none gets what another earned',
  run: async () => {
    const arrivals = interleavings(Object.entries(branches).flatMap(([name, calls]) => calls.map(() => name)));
    const credits = arrivals.map((arrival) => creditOf(arrange(arrival)));
    const distinct = [...new Set(credits.map((credit) => JSON.stringify(credit)))];
    const wanted = { plan: 1.875, a0: 0, a1: 0, b0: 1.5, b1: 0.5, c0: 0.25, end: 0 };
    const ok = distinct.length === 1 && distinct[0] === JSON.stringify(wanted);
    return { ok, figures: { arrivals: arrivals.length, distinct: distinct.length, credit: credits[0]!, wanted } };
  },
};

/** Returns every order of these names, each order once. */
function interleavings(names: readonly string[]): readonly (readonly string[])[] {
  if (names.length === 0) return [[]];
  return [...new Set(names)].flatMap((first) =>
    interleavings(names.toSpliced(names.indexOf(first), 1)).map((rest) => [first, ...rest]),
  );
}

/** Returns the spans of an attempt whose sub-agents answer in the given order: each begins at 10, after the plan, and call i of all ends at 20 + 10·i. */
function arrange(arrival: readonly string[]): readonly Span[] {
  const spans: Span[] = [];
  const add = (span: Pick<Span, 'spanId' | 'kind' | 'attributes'> & Partial<Span>): void => {
    spans.push({
      traceId: 'trace',
      rolloutId: 'rollout',
      attemptId: 'attempt',
      name: span.kind,
      status: { code: 'ok' },
      startTimeMs: 0,
      endTimeMs: 0,
      sequenceId: spans.length + 1,
      ...span,
    });
  };
  const call = (spanId: string, parentSpanId: string, start: number, end: number, reward: number): void => {
    add({
      spanId,
      parentSpanId,
      kind: 'model_call',
      startTimeMs: start,
      endTimeMs: end,
      attributes: {
        [attributeNames.source]: 'gateway',
        [attributeNames.policy]: 'policy',
        [attributeNames.policyVersion]: 0,
        [attributeNames.finishReasons]: ['stop'],
        [attributeNames.timeToFirstTokenMs]: 1,
      },
      tokens: { prompt: Int32Array.of(1), response: Int32Array.of(2), logprobs: Float32Array.of(-1) },
    });
    add({
      spanId: `reward of ${spanId}`,
      kind: 'reward',
      attributes: rewardAttributes(reward, { scope: { span: spanId } }),
    });
  };
  call('plan', 'root', 0, 10, plan);
  const asked: Record<string, number> = {};
  const ends = new Map<string, { end: number; count: number }>();
  arrival.forEach((name, index) => {
    const { end: start, count } = ends.get(name) ?? { end: 10, count: 0 };
    const end = 20 + 10 * index;
    call(`${name}${count}`, `agent ${name}`, start, end, branches[name as keyof typeof branches][count]!);
    ends.set(name, { end, count: count + 1 });
    asked[name] = end;
  });
  for (const [name, end] of Object.entries(asked))
    add({
      spanId: `agent ${name}`,
      parentSpanId: 'root',
      kind: 'agent',
      startTimeMs: 10,
      endTimeMs: end,
      attributes: { [attributeNames.agentNames]: [name] },
    });
  call('end', 'root', 100, 110, 0);
  add({
    spanId: 'root',
    kind: 'agent',
    startTimeMs: 0,
    endTimeMs: 110,
    attributes: { [attributeNames.agentNames]: ['main'] },
  });
  return spans;
}

/** Returns the reward-to-go of each call by its span id, in the order of the ids of {@link branches}. */
function creditOf(spans: readonly Span[]): Readonly<Record<string, number>> {
  const { rollout } = toyEpisode('rollout', 'task', 0, []);
  const episode: Episode = toEpisode(rollout, spans);
  const { returns } = buildBatch([episode], {
    credit: { perStep: 1 },
    estimator: 'dr_grpo',
    samples: 'transition',
    tokenWeighting: 'rollout',
  });
  const own = returns.get('rollout')!;
  const bySpan = new Map(episode.transitions.map(({ spanId }, index) => [spanId, own[index]!]));
  return Object.fromEntries(
    ['plan', 'a0', 'a1', 'b0', 'b1', 'c0', 'end'].map((id) => [id, bySpan.get(id) ?? Number.NaN]),
  );
}
