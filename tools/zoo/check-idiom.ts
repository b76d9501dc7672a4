import { attributeNames, type SpanInput } from '@agent-lightning/core';
import { parentSpanOf, startTestRollout, type TestRollout } from '@agent-lightning/testing';
import { expect } from 'vitest';
import type { Ask, CallCounts, Idiom, Wrap } from './idiom.ts';
import { markPattern } from './provider/read-conversation.ts';
import { ownPlace, startProvider, type Provider, type ProviderCall } from './provider/start-provider.ts';

const ownKey = 'own-key';

/** What one run of an idiom does that can be seen: its answer, and its requests in an order that does not depend on time. */
interface Observation {
  readonly answer: unknown;
  readonly requests: readonly Request[];
}

interface Request {
  readonly agent: string;
  readonly dialect: string;
  readonly headers: unknown;
  readonly body: unknown;
}

/**
 * Checks one idiom in three ways: wrapped and outside a rollout it does exactly what it does unwrapped; inside, the calls of the selected
 * agents and no others go to the policy, and the answer is the same; and `rolloutCount` rollouts that one app serves at once stay apart.
 */
export async function checkIdiom(idiom: Idiom, withLightning: Wrap, rolloutCount: number): Promise<void> {
  const before = await runOutside(idiom, (target) => target);
  expect(countAgents(before.requests), 'the calls of the idiom as it is').toEqual(sumCounts(idiom));
  expect(await runOutside(idiom, withLightning), 'wrapped, outside a rollout').toEqual(before);
  await checkRollouts(idiom, withLightning, before, rolloutCount);
}

async function runOutside(idiom: Idiom, wrap: Wrap): Promise<Observation> {
  return withApp(idiom, wrap, async (ask, provider) => {
    const answer = await ask('question #q0');
    return { answer: normalize(answer), requests: orderRequests(provider.calls) };
  });
}

async function withApp<Result>(
  { script = {}, build }: Idiom,
  wrap: Wrap,
  work: (ask: Ask, provider: Provider) => Promise<Result>,
): Promise<Result> {
  const provider = await startProvider(script);
  try {
    const anthropic = `${provider.origin}/${ownPlace}`;
    return await work(await build({ openai: `${anthropic}/v1`, anthropic, apiKey: ownKey, wrap }), provider);
  } finally {
    await provider.close();
  }
}

async function checkRollouts(idiom: Idiom, wrap: Wrap, before: Observation, rolloutCount: number): Promise<void> {
  await withApp(idiom, wrap, async (ask, provider) => {
    if (idiom.isSerial !== true) provider.holdUntil(rolloutCount);
    const rollouts = Array.from({ length: rolloutCount }, (_, index) => ({
      place: `r${index + 1}`,
      mark: `#q${index + 1}`,
      rollout: startTestRollout(`${provider.origin}/r${index + 1}/v1`),
    }));
    const answers = await Promise.all(rollouts.map(({ mark, rollout }) => rollout.run(() => ask(`question ${mark}`))));
    for (const [index, { place, mark, rollout }] of rollouts.entries()) {
      expect(normalize(answers[index]), `the answer inside rollout ${place}`).toEqual(before.answer);
      const selected = provider.calls.filter((call) => call.place === place);
      const kept = provider.calls.filter((call) => call.place === ownPlace && call.mark === mark);
      checkCalls(idiom, before, selected, kept);
      checkSelectedCalls(selected, mark, rollout);
      checkTrace(idiom, [...selected, ...kept], await rollout.spans());
    }
    const unmarked = provider.calls.filter(({ body }) => marksOf(body).size !== 1);
    expect(unmarked, 'calls that belong to no rollout, or to several').toEqual([]);
  });
}

/** Checks that the right calls were sent to each side, and that they say what they say unwrapped. */
function checkCalls(
  { selected: selectedCounts, kept: keptCounts = {} }: Idiom,
  before: Observation,
  selected: readonly ProviderCall[],
  kept: readonly ProviderCall[],
): void {
  expect(countAgents(selected), 'calls that went to the policy').toEqual(selectedCounts);
  expect(countAgents(kept), 'calls that kept their model').toEqual(keptCounts);
  const sent = orderRequests([...selected, ...kept]);
  for (const [index, request] of before.requests.entries()) {
    const same = sent[index]!;
    expect(same.agent).toBe(request.agent);
    // A model of another dialect may be replaced by one that speaks OpenAI's.
    if (same.dialect === request.dialect) expect(withoutModel(same.body), 'a body').toEqual(withoutModel(request.body));
    else expect(same.dialect).toBe('chat');
  }
  for (const { headers, body } of kept)
    expect([headers.authorization ?? headers['x-api-key'], body.model?.startsWith('policy')]).toEqual([
      expect.stringContaining(ownKey),
      false,
    ]);
}

function checkSelectedCalls(calls: readonly ProviderCall[], mark: string, { scope }: TestRollout): void {
  for (const { headers, body } of calls) {
    expect(body.model).toBe(scope.llm?.model);
    expect(JSON.stringify(headers)).toContain(scope.llm?.apiKey);
    expect(JSON.stringify(headers)).not.toContain(ownKey);
    expect([...marksOf(body)]).toEqual([mark]);
  }
}

/** Checks that each answered call is one model call of the trace: by the id of its response, else by the span that it was made in. */
function checkTrace({ untraced = [] }: Idiom, calls: readonly ProviderCall[], spans: readonly SpanInput[]): void {
  const modelSpans = new Map(
    spans
      .filter(({ kind }) => kind === 'model_call')
      .map(({ spanId, attributes }) => [spanId, attributes?.[attributeNames.responseId]]),
  );
  const given = [...modelSpans.values()].filter((id) => id !== undefined);
  const answered = calls.filter(({ responseId }) => responseId !== undefined);
  const isJoined = (call: ProviderCall): boolean =>
    given.includes(call.responseId!) || isWithoutId(modelSpans, parentSpanOf(call));
  const unjoined = answered.filter((call) => !isJoined(call)).map(({ agent }) => agent);
  expect([...new Set(unjoined)], 'agents with calls that the trace does not hold').toEqual(untraced);
  const unknown = given.filter((id) => answered.every(({ responseId }) => responseId !== id));
  expect(unknown, 'response ids in the trace that nobody gave').toEqual([]);
  expect(new Set(given).size, 'a response is one model call').toBe(given.length);
}

function isWithoutId(modelSpans: ReadonlyMap<string | undefined, unknown>, spanId: string | undefined): boolean {
  return modelSpans.has(spanId) && modelSpans.get(spanId) === undefined;
}

function sumCounts({ selected, kept = {} }: Idiom): CallCounts {
  const agents = new Set([...Object.keys(selected), ...Object.keys(kept)]);
  return Object.fromEntries([...agents].map((agent) => [agent, (selected[agent] ?? 0) + (kept[agent] ?? 0)]));
}

function countAgents(calls: readonly { readonly agent: string }[]): CallCounts {
  const counts: Record<string, number> = {};
  for (const { agent } of calls) counts[agent] = (counts[agent] ?? 0) + 1;
  return counts;
}

/** Headers that say where, when and how long a request is. */
const changingHeaders = ['host', 'content-length', 'connection'];

function orderRequests(calls: readonly ProviderCall[]): readonly Request[] {
  const requests = calls.map(({ agent, dialect, headers, body }): Request => {
    const lasting = Object.entries(headers).filter(([name]) => !changingHeaders.includes(name));
    return { agent, dialect, headers: Object.fromEntries(lasting), body: normalize(body) };
  });
  const keyOf = ({ agent, body }: Request): string => `${agent} ${JSON.stringify(withoutModel(body))}`;
  return requests.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

function withoutModel(body: unknown): unknown {
  const { model: _model, ...rest } = body as Record<string, unknown>;
  return rest;
}

function marksOf(body: unknown): ReadonlySet<string> {
  return new Set(JSON.stringify(body).match(markPattern));
}

/** Returns a value as JSON without what no two runs have in common: marks of questions, ids, addresses. */
function normalize(value: unknown): unknown {
  const text = JSON.stringify(value) ?? 'null';
  return JSON.parse(
    text
      .replace(markPattern, '#q')
      .replace(/zoo[0-9a-f]{12}x\d+/g, 'zoo')
      .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'uuid')
      .replace(/127\.0\.0\.1:\d+/g, 'address'),
  ) as unknown;
}
