import {
  attributeNames as names,
  toEpisode,
  type GenerateEvent,
  type LightningStore,
  type Span,
} from '@agent-lightning/core';
import { MemoryStore } from '@agent-lightning/store';
import { startModelServer, type ModelServer } from '@agent-lightning/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { Gateway, type GatewayOptions } from '../src/index.ts';
import { FakeEngine } from './fake-engine.ts';
import { clientFor, onStop, startHarness, stopAll, until, type Harness } from './harness.ts';

afterEach(stopAll);
const request = { model: 'policy', messages: [{ role: 'user' as const, content: 'hi' }] };

/** Holds whoever waits for it until it is opened. */
function gate(): { readonly passed: Promise<void>; readonly open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { passed: promise, open: resolve };
}

/** An engine that stops before its first piece, on the first of its calls only. */
function slowEngine(passed: Promise<void>): FakeEngine {
  const before = (event: GenerateEvent, call: number): Promise<void> | undefined =>
    call === 0 && event.type === 'piece' ? passed : undefined;
  return new FakeEngine({ before });
}

async function slowServer(passed: Promise<void>): Promise<ModelServer> {
  const server = await startModelServer({ respond: () => passed.then(() => 'hello world') });
  onStop(() => server.close());
  return server;
}

async function openSpans({ store, claim }: Pick<Harness, 'store' | 'claim'>): Promise<readonly Span[]> {
  for (;;) {
    const spans = await store.querySpans({ rolloutIds: [claim.rollout.rolloutId], includeTokens: true });
    if (spans.length > 0) return spans;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A gateway that writes to `spanStore`, with an open attempt of `store`. That it may fail to close is its test's to check. */
async function startOver(
  store: MemoryStore,
  spanStore: GatewayOptions['store'],
  options: Partial<GatewayOptions> = {},
): Promise<Pick<Harness, 'gateway' | 'client' | 'claim'>> {
  const gateway = await Gateway.start({ store: spanStore, ...options });
  onStop(async () => void (await Promise.allSettled([gateway.close(), store.close()])));
  await store.enqueue([{ input: null }]);
  const [claim] = await store.claim({ workerId: 'w' });
  if (claim === undefined) throw new Error('nothing to claim');
  return { gateway, claim, client: clientFor(await gateway.openAttempt(claim)) };
}

describe('a call that goes on', () => {
  it.each([
    ['a server', false, 0],
    ['a server', true, 10],
    ['an engine', false, 10],
    ['an engine', true, 0],
  ])(
    'to %s (stream: %s) is stored as incomplete after %s ms, and as what it was when it ends',
    async (to, stream, announceAfterMs) => {
      const { passed, open } = gate();
      const harness = await startHarness({ announceAfterMs, writeDelayMs: 1 });
      const { gateway, client, claim, finish } = harness;
      if (to === 'an engine') gateway.publish('policy', { kind: 'engine', version: 4, engine: slowEngine(passed) });
      else
        gateway.publish('policy', {
          kind: 'openai',
          version: 4,
          baseUrl: (await slowServer(passed)).baseUrl,
          model: 'm',
        });
      const call = client.chat.completions.create({ ...request, stream });
      const [begun, ...others] = await openSpans(harness);
      expect(others).toEqual([]);
      expect(begun).toMatchObject({
        kind: 'model_call',
        name: 'chat policy',
        isOpen: true,
        sequenceId: 1,
        status: { code: 'error' },
        attributes: {
          [names.source]: 'gateway',
          [names.policy]: 'policy',
          [names.policyVersion]: 4,
          [names.requestStream]: stream,
          [names.inputMessages]: JSON.stringify(request.messages),
          [names.incomplete]: true,
        },
      });
      expect(begun).not.toHaveProperty('tokens');
      expect(begun?.attributes).not.toHaveProperty(names.outputMessages);
      expect(toEpisode(claim.rollout, [begun!])).toMatchObject({
        transitions: [],
        untrainable: [{ reason: expect.stringMatching(/^incomplete: the call did not end: /u) }],
        problems: [],
      });
      open();
      const reply = await call;
      if (Symbol.asyncIterator in reply) for await (const _chunk of reply);
      const [ended, ...more] = await finish();
      expect(more).toEqual([]);
      expect(ended).toMatchObject({
        spanId: begun?.spanId,
        sequenceId: 1,
        startTimeMs: begun?.startTimeMs,
        status: { code: 'ok' },
      });
      for (const name of [names.incomplete, names.untrainable]) expect(ended?.attributes).not.toHaveProperty(name);
      expect(ended).not.toHaveProperty('isOpen');
      expect(toEpisode(claim.rollout, [ended!])).toMatchObject({
        transitions: [{ policyVersion: 4 }],
        untrainable: [],
      });
    },
  );

  it('has a place in the trace before what its agent does next, and a span for each choice', async () => {
    const { passed, open } = gate();
    const harness = await startHarness({ announceAfterMs: 0, writeDelayMs: 0 });
    harness.gateway.publish('policy', { kind: 'engine', version: 1, engine: slowEngine(passed) });
    const slow = harness.client.chat.completions.create({ ...request, n: 2 });
    const begun = await openSpans(harness);
    expect(begun.map(({ attributes }) => attributes[names.choiceIndex])).toEqual([0, 1]);
    await harness.client.chat.completions.create(request);
    open();
    await slow;
    const spans = await harness.finish();
    expect(spans.map(({ sequenceId, attributes }) => [sequenceId, attributes[names.choiceIndex]])).toEqual([
      [1, 0],
      [2, 1],
      [3, undefined],
    ]);
    expect(spans.every(({ isOpen, tokens }) => isOpen === undefined && tokens !== undefined)).toBe(true);
  });

  it('stays as it was announced when its rollout is cancelled before it ends', async () => {
    const { passed, open } = gate();
    const store = new MemoryStore();
    const { gateway, client, claim } = await startOver(store, store, { announceAfterMs: 0, writeDelayMs: 0 });
    gateway.publish('policy', { kind: 'engine', version: 1, engine: slowEngine(passed) });
    const call = client.chat.completions.create(request);
    await openSpans({ store, claim });
    await store.cancel(claim.rollout.rolloutId);
    open();
    await call;
    await expect(gateway.closeAttempt(claim)).rejects.toMatchObject({ code: 'store-fenced' });
    expect(await openSpans({ store, claim })).toMatchObject([
      { isOpen: true, attributes: { [names.incomplete]: true } },
    ]);
    await gateway.close(); // its runner was told; the gateway has nothing left to say
  });

  it('ends with its attempt and with its agent', async () => {
    const harness = await startHarness({ announceAfterMs: 0, writeDelayMs: 0 });
    const { gateway, client, store } = harness;
    gateway.publish('policy', { kind: 'engine', version: 1, engine: slowEngine(new Promise(() => undefined)) });
    const call = client.chat.completions.create(request).catch((error: unknown) => error);
    await openSpans(harness);
    const [cut] = await harness.finish();
    expect(await call).toBeInstanceOf(Error);
    expect(cut).not.toHaveProperty('isOpen');
    expect(cut?.attributes[names.untrainable]).toContain('the attempt ended');

    const { claim, client: leaving } = await harness.open();
    gateway.publish('policy', { kind: 'engine', version: 2, engine: slowEngine(new Promise(() => undefined)) });
    const controller = new AbortController();
    const left = leaving.chat.completions
      .create(request, { signal: controller.signal })
      .catch((error: unknown) => error);
    await openSpans({ store, claim });
    controller.abort();
    expect(await left).toBeInstanceOf(Error);
    await until(() => gateway.statistics.calls.incomplete === 2);
    const [gone] = await harness.finish(claim);
    expect(gone?.attributes).toMatchObject({ [names.incomplete]: true, [names.errorType]: 'cancelled' });
    expect(gone).not.toHaveProperty('isOpen');
  });
});

describe('a call that is over soon', () => {
  it('is written once', async () => {
    const store = new MemoryStore();
    const written: string[] = [];
    const appendSpans: LightningStore['appendSpans'] = (lease, spans) => {
      written.push(...spans.map(({ isOpen = false }) => (isOpen ? 'open' : 'ended')));
      return store.appendSpans(lease, spans);
    };
    const { gateway, client, claim } = await startOver(store, { appendSpans });
    gateway.publish('policy', { kind: 'engine', version: 1, engine: new FakeEngine() });
    for (let call = 0; call < 3; call += 1) await client.chat.completions.create(request);
    await gateway.closeAttempt(claim);
    expect(written).toEqual(['ended', 'ended', 'ended']);
  });
});

it.each([-1, 0.5, NaN, 2 ** 31])('refuses to announce calls after %s ms', async (announceAfterMs) => {
  const store = new MemoryStore();
  onStop(() => store.close());
  await expect(Gateway.start({ store, announceAfterMs })).rejects.toMatchObject({
    code: 'option-invalid',
    message: expect.stringContaining('announceAfterMs must be a whole number from 0'),
  });
});
