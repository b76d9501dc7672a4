/** Promises about generation. */
import type { GenerateRequest, PolicySnapshot, SamplingEngine, TrainablePolicy } from '@agent-lightning/core';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';

import { type BackendFixture, type SuiteContext } from './backend-fixture.ts';
import {
  collectGeneration,
  expectSameGeneration,
  toSample,
  type CollectedChoice,
  type CollectedGeneration,
} from './collect-generation.ts';

/** Tests of `SamplingEngine.generate`. */
export function describeSampling({ open, tolerance }: SuiteContext): void {
  let fixture: BackendFixture;
  let policy: TrainablePolicy;
  let snapshot: PolicySnapshot;
  let engine: SamplingEngine;

  beforeAll(async () => {
    fixture = await open();
    policy = await fixture.backend.createPolicy({ name: 'policy', seed: 1 });
    snapshot = await policy.publish(1);
  });
  beforeEach((context) => {
    if (snapshot.kind !== 'engine') context.skip(`snapshots of kind '${snapshot.kind}' are sampled over HTTP`);
    else engine = snapshot.engine;
  });
  afterAll(() => fixture?.backend.close());

  const ask = (request: Partial<GenerateRequest> = {}, signal?: AbortSignal): Promise<CollectedGeneration> =>
    collectGeneration(engine, { input: { messages: fixture.messages }, maxTokens: 24, seed: 3, ...request }, signal);
  const only = (generation: CollectedGeneration): CollectedChoice => generation.choices[0] as CollectedChoice;

  it('reports the log-probabilities that training computes for the same tokens', async () => {
    const { prompt, choices } = await ask({ choices: 3 });
    const samples = choices.map((choice) => toSample(prompt, choice));
    for (const [index, logprobs] of (await policy.forward(samples)).entries()) {
      const sampled = choices[index]?.logprobs ?? [];
      sampled.forEach((value, t) =>
        expect(Math.abs(value - (logprobs[prompt.length + t] ?? Number.NaN))).toBeLessThan(tolerance),
      );
    }
  });

  it('reports the log-probabilities of the distribution at the temperature', async () => {
    // At a temperature near 0 nearly all mass is on one token, so what was sampled has a log-probability near 0.
    const cold = only(await ask({ temperature: 1e-3 }));
    expect(Math.max(...cold.logprobs.map(Math.abs))).toBeLessThan(0.7);
    expect(cold.logprobs.some((value) => value < -1)).toBe(false);
    const warm = only(await ask({ temperature: 1 }));
    expect(warm.logprobs.some((value) => value < -1)).toBe(true);
  });

  it('gives the same tokens for the same seed, whatever runs beside it, and others for another', async () => {
    const alone = await ask();
    const crowd = await Promise.all([ask({ seed: 11, choices: 4 }), ask(), ask({ temperature: 0 }), ask({ seed: 12 })]);
    expect(only(crowd[1] as CollectedGeneration).tokens).toEqual(only(alone).tokens);
    expect(only(await ask({ seed: 4 })).tokens).not.toEqual(only(alone).tokens);
  });

  it('draws a new seed for each request that brings none', async () => {
    const { seed: _, ...withoutSeed } = { input: { messages: fixture.messages }, maxTokens: 24, seed: 0 };
    const first = only(await collectGeneration(engine, withoutSeed));
    expect(only(await collectGeneration(engine, withoutSeed)).tokens).not.toEqual(first.tokens);
  });

  it('takes the likeliest token at temperature 0, whatever the seed', async () => {
    const greedy = only(await ask({ temperature: 0, seed: 1 }));
    expect(only(await ask({ temperature: 0, seed: 2 })).tokens).toEqual(greedy.tokens);
    const sampled = only(await ask({ maxTokens: 1 }));
    expect(greedy.logprobs[0]).toBeGreaterThanOrEqual((sampled.logprobs[0] ?? 0) - tolerance);
  });

  it('continues one prompt independently for each choice', async () => {
    const { choices } = await ask({ choices: 4 });
    expect(new Set(choices.map((choice) => choice.tokens.join())).size).toBeGreaterThan(1);
  });

  it('ends at maxTokens and says so', async () => {
    const five = only(await ask({ maxTokens: 5, temperature: 0 }));
    expect(five.tokens.length).toBeLessThanOrEqual(5);
    expect(five.reason).toBe(five.tokens.length < 5 ? 'stop' : 'length');
    expect(only(await ask({ maxTokens: 1, temperature: 0 })).tokens).toEqual(five.tokens.slice(0, 1));
  });

  it('ends where the context ends when maxTokens is absent or larger', async () => {
    const prompt = new Int32Array(engine.contextLength - 3).fill(1);
    const choice = only(await ask({ input: { prompt }, maxTokens: 1000 }));
    expect(choice.tokens.length).toBeLessThanOrEqual(3);
    const { maxTokens: _, ...unlimited } = { input: { prompt }, maxTokens: 0, seed: 3 };
    expect(only(await collectGeneration(engine, unlimited)).tokens).toEqual(choice.tokens);
  });

  it('cuts the text at a stop text and keeps the tokens up to it', async () => {
    const whole = only(await ask());
    const middle = Math.floor(whole.text.length / 2);
    const stop = whole.text.slice(middle, middle + 3);
    const cut = only(await ask({ stop: ['never in any text \u0000', stop] }));
    expect(cut.text).toBe(whole.text.slice(0, whole.text.indexOf(stop)));
    expect(cut.reason).toBe('stop');
    expect(cut.tokens).toEqual(whole.tokens.slice(0, cut.tokens.length));
    expect(cut.tokens.length).toBeLessThan(whole.tokens.length);
  });

  it('takes the same prompt as messages and as tokens', async () => {
    const chat = await ask();
    expectSameGeneration(await ask({ input: { prompt: chat.prompt } }), chat, tolerance);
  });

  it('encodes an answer of somebody else as it would read and write it', async (context) => {
    const { backend, messages } = fixture;
    if (backend.encodeAnswer === undefined) context.skip(`${backend.name} encodes no answers`);
    const answer = { role: 'assistant', content: 'SELECT 1;' };
    const { promptIds, responseIds } = await backend.encodeAnswer!({ messages, answer });
    expect([...promptIds]).toEqual([...(await ask({ maxTokens: 1 })).prompt]);
    expect(responseIds.length).toBeGreaterThan(1); // the text, and the token that ends it
    const later = await backend.encodeAnswer!({
      messages: [...messages, answer, { role: 'user', content: 'more' }],
      answer,
    });
    expect([...later.promptIds].slice(0, promptIds.length + responseIds.length)).toEqual([
      ...promptIds,
      ...responseIds,
    ]);
    await expect(backend.encodeAnswer!({ messages, answer: { role: 'user', content: 'a' } })).rejects.toMatchObject({
      code: 'samples-invalid',
    });
  });

  it('stops when its signal is aborted, and serves the next request', async () => {
    const before = await ask();
    const controller = new AbortController();
    const request = { input: { messages: fixture.messages }, seed: 3 };
    await expect(collectGeneration(engine, request, controller.signal, () => controller.abort())).rejects.toMatchObject(
      { code: 'cancelled' },
    );
    await expect(ask({}, AbortSignal.abort())).rejects.toMatchObject({ code: 'cancelled' });
    expectSameGeneration(await ask(), before, tolerance);
  });

  it('stops when its reader leaves, and serves the next request', async () => {
    const before = await ask();
    for await (const event of engine.generate({ input: { messages: fixture.messages } }))
      if (event.type === 'piece') break;
    expectSameGeneration(await ask(), before, tolerance);
  });

  it('names a prompt that leaves no room, with both numbers', async () => {
    const { contextLength } = engine;
    const asked = ask({ input: { prompt: new Int32Array(contextLength).fill(1) } });
    await expect(asked).rejects.toMatchObject({
      code: 'context-exceeded',
      message: expect.stringContaining(String(contextLength)),
    });
  });

  it.each<[string, Partial<GenerateRequest>]>([
    ['a negative temperature', { temperature: -1 }],
    ['a temperature that is not a number', { temperature: Number.NaN }],
    ['no choices', { choices: 0 }],
    ['half a token', { maxTokens: 0.5 }],
    ['an empty stop text', { stop: [''] }],
    ['an empty prompt', { input: { prompt: new Int32Array(0) } }],
    ['a token that does not exist', { input: { prompt: Int32Array.of(-1) } }],
    ['no messages', { input: { messages: [] } }],
    ['a fractional seed', { seed: 0.5 }],
  ])('refuses %s', async (_, request) => {
    await expect(ask(request)).rejects.toMatchObject({ code: 'samples-invalid' });
  });
}
