import { attributeNames as names, type SpanInput } from '@agent-lightning/core';
import { MemoryStore } from '@agent-lightning/store';
import { expect, it, onTestFinished, vi } from 'vitest';
import { Agl10Events } from './agl10-events.ts';
import { Agl10Rollouts } from './agl10-rollouts.ts';
import { LateEvents } from './late-events.ts';

const attemptId = '0';
const all = { eventType: null, isTriplet: false, hasExperts: false };

async function open(): Promise<{ store: MemoryStore; rollouts: Agl10Rollouts; events: Agl10Events }> {
  const store = new MemoryStore({ watchdogIntervalMs: 0 });
  onTestFinished(() => store.close());
  const rollouts = new Agl10Rollouts(store, async () => {});
  await rollouts.enqueue([{ rolloutId: 'r', input: 1, isTrain: true, config: { timeout_seconds: 60 }, metadata: {} }]);
  return { store, rollouts, events: new Agl10Events(store, rollouts) };
}

/** Returns a model call, or a further choice of the one before it. */
function callOf(place: number, choiceOf?: number): SpanInput {
  const idOf = (of: number): string => String(of).padStart(16, '0');
  return {
    spanId: idOf(place),
    traceId: '1'.padStart(32, '0'),
    kind: 'model_call',
    name: 'chat',
    status: { code: 'ok' },
    startTimeMs: 0,
    endTimeMs: 1,
    attributes: choiceOf === undefined ? {} : { [names.promptSpan]: idOf(choiceOf), [names.choiceIndex]: 1 },
    tokens: { prompt: Int32Array.of(1), response: Int32Array.of(place), logprobs: Float32Array.of(-1) },
  };
}

it('reads tokens for model calls alone, and reads no data of other types of events', async () => {
  const { store, rollouts, events } = await open();
  const { lease } = await rollouts.claim('r');
  await store.appendSpans(lease, [callOf(1), callOf(2), callOf(3, 1)]);
  for (const eventType of ['note', 'reward', 'step', 'reward'])
    await events.post('r', { attemptId, eventType, data: { value: 1 } }, true);
  const query = vi.spyOn(store, 'querySpans');
  const parse = vi.spyOn(JSON, 'parse');
  onTestFinished(() => void parse.mockRestore());
  expect(await events.attempts(await rollouts.read('r'))).toEqual(['0']);
  expect(parse).not.toHaveBeenCalled();
  expect(await events.query('r', { ...all, eventType: 'step' })).toMatchObject([{ data: { value: 1 } }]);
  expect(parse).toHaveBeenCalledTimes(1);
  expect(query.mock.calls.map(([{ includeTokens }]) => includeTokens)).toEqual([false, false]);
  const calls = await events.query('r', { ...all, eventType: 'model_request' });
  expect(calls).toMatchObject([
    { data: { response: { choices: [{ token_ids: [1] }, { token_ids: [3] }] } } },
    { data: { response: { choices: [{ token_ids: [2] }] } } },
  ]);
  expect(await events.query('r', all)).toHaveLength(6);
});

it('shows late events by type and attempt, and forgets them', async () => {
  const { rollouts, events } = await open();
  await rollouts.patch('r', { state: 'failed' });
  const late = (eventType: string, attempt = attemptId): ReturnType<Agl10Events['post']> =>
    events.post('r', { attemptId: attempt, eventType, data: {} }, true);
  for (const eventType of ['a', 'b', 'a']) await late(eventType);
  await late('a', '1');
  const typesOf = async (eventType: string | null): Promise<readonly string[]> =>
    (await events.query('r', { ...all, eventType })).map((event) => event.event_type);
  expect(await typesOf('a')).toEqual(['a', 'a']);
  expect(await typesOf(null)).toEqual(['a', 'b', 'a']);
  expect(await events.attempts(await rollouts.read('r'))).toEqual(['0', '1']);
  events.forget('r');
  expect(await typesOf(null)).toEqual([]);
});

it('keeps late events within a number of characters', () => {
  const eventOf = (rolloutId: string, text: string) =>
    ({ event_type: 'note', rollout_id: rolloutId, attempt_id: attemptId, timestamp: 0, data: { text } }) as const;
  const one = JSON.stringify(eventOf('a', '.')).length;
  const late = new LateEvents({ mostCharacters: 3 * one });
  for (const rolloutId of ['a', 'b', 'a']) late.add(eventOf(rolloutId, '.'));
  late.add(eventOf('c', '.'));
  expect(['a', 'b', 'c'].map((id) => late.of(id).length)).toEqual([2, 0, 1]);
  late.add(eventOf('a', '.'));
  expect(() => late.add(eventOf('a', '.'))).toThrow(`rollout a has ${3 * one} characters of events already`);
  expect(['a', 'b', 'c'].map((id) => late.of(id).length)).toEqual([3, 0, 0]);
  late.forget('a');
  late.add(eventOf('c', '.'.repeat(2 * one + 1)));
  expect(late.of('c')).toHaveLength(1);
});
