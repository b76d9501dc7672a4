import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TrainablePolicy } from '@agent-lightning/core';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { openFake, sampleOf, someSamples, type FakeSetup, type FakeSetupOptions } from './fake-backend.ts';
import type { ServerKind } from '../src/server-kinds.ts';
import type { TinkerCall, TinkerFault } from './fakes/fake-tinker.ts';
import { createTinyCheckpoint } from '../../embedded/test/tiny-checkpoint.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'tinker-faults-'));
  await createTinyCheckpoint(join(root, 'model'));
});
afterAll(() => rm(root, { recursive: true }));

let setup: FakeSetup;
let policy: TrainablePolicy;
afterEach(() => setup.close());

async function open(serverKind: ServerKind, options: FakeSetupOptions = {}): Promise<void> {
  setup = await openFake(serverKind, join(root, 'model'), options);
  policy = await setup.backend.createPolicy({ name: 'writer', seed: 1 });
}

/** The first `times` requests of a route go wrong. */
function failRoute(route: string, fault: TinkerFault, times = 1): void {
  let left = times;
  setup.server.failWith((call) => (call.route === route && left-- > 0 ? fault : undefined));
}

const trainOnce = async (): Promise<unknown> => {
  await policy.forwardBackward(someSamples, { name: 'cross_entropy' });
  return await policy.optimStep({ learningRate: 0.1 });
};
const applied = (): readonly string[] => setup.server.applied.map(({ route }) => route);
const callsOf = (route: string): readonly TinkerCall[] => setup.server.calls.filter((call) => call.route === route);
const step = ['forward_backward', 'optim_step'];

describe.each(['worker', 'skyrl', 'tinker'] as const)('a %s server', (serverKind) => {
  it('may take its time', async () => {
    await open(serverKind);
    failRoute('retrieve_future', { type: 'not-ready' }, 5);
    await trainOnce();
    expect(applied()).toEqual(step);
  });

  it('may be busy, and says for how long', async () => {
    await open(serverKind);
    failRoute('optim_step', { type: 'status', status: 429, headers: { 'retry-after': '7' } }, 2);
    await trainOnce();
    expect(applied()).toEqual(step);
    expect(setup.clock.waits.filter((ms) => ms === 7_000)).toHaveLength(2);
  });

  it('may be down for a moment while it is polled', async () => {
    await open(serverKind);
    failRoute('retrieve_future', { type: 'status', status: 502 }, 3);
    await trainOnce();
    expect(applied()).toEqual(step);
  });

  it('may lose the answer of a poll', async () => {
    await open(serverKind);
    failRoute('retrieve_future', { type: 'lose-response' }, 3);
    await trainOnce();
    expect(applied()).toEqual(step);
  });

  it('may stand behind a proxy that answers a bare 400 or a page', async () => {
    await open(serverKind);
    failRoute('retrieve_future', { type: 'status', status: 400 }, 3);
    await policy.forward(someSamples);
    failRoute('retrieve_future', { type: 'page' }, 3);
    await policy.forward(someSamples);
    expect(applied()).toEqual(['forward', 'forward']);
  });

  it('is asked again by a later call when the first found it down; calls at the same time share one try', async () => {
    setup = await openFake(serverKind, join(root, 'model'));
    const asked = 'get_server_capabilities';
    failRoute(asked, { type: 'status', status: 401, body: { detail: 'not yet' } });
    const both = [setup.backend.capabilities(), setup.backend.createPolicy({ name: 'writer', seed: 1 })];
    for (const end of await Promise.allSettled(both))
      expect(end).toMatchObject({ status: 'rejected', reason: { code: 'unauthorized' } });
    expect(callsOf(asked)).toHaveLength(1);
    policy = await setup.backend.createPolicy({ name: 'writer', seed: 1 });
    await trainOnce();
    expect(applied()).toEqual(step);
    expect(callsOf(asked)).toHaveLength(2);
  });

  it('may refuse the key', async () => {
    await open(serverKind);
    failRoute('forward', { type: 'status', status: 401, body: { detail: 'who are you?' } });
    await expect(policy.forward(someSamples)).rejects.toMatchObject({ code: 'unauthorized' });
    expect(callsOf('forward')).toHaveLength(1);
  });

  it('refuses a request in its own words, and the next takes its number', async () => {
    await open(serverKind);
    const body = serverKind === 'skyrl' ? { detail: 'advantages: too strange' } : { error: 'advantages: too strange' };
    failRoute('forward_backward', { type: 'status', status: 422, body });
    const refused = policy.forwardBackward(someSamples, { name: 'importance_sampling' });
    await expect(refused).rejects.toMatchObject({
      code: 'samples-invalid',
      message: expect.stringContaining('advantages: too strange'),
    });
    await trainOnce();
    expect(setup.server.applied.map(({ sequence }) => sequence)).toEqual([1, 2]);
  });

  it('gives up after failing for too long, and says what it said last', async () => {
    await open(serverKind, { retryForMs: 20_000 });
    failRoute('retrieve_future', { type: 'status', status: 503, body: { detail: 'no GPU is free' } }, 1_000);
    await expect(policy.forward(someSamples)).rejects.toMatchObject({
      code: 'backend-failed',
      retryable: true,
      message: expect.stringMatching(/forward of policy 'writer'.*status 503: no GPU is free/),
    });
    // Whether it took effect is not known, so nothing may follow it.
    await expect(policy.forward(someSamples)).rejects.toMatchObject({ code: 'session-lost' });
  });

  it('gives up when an operation is not done in time', async () => {
    await open(serverKind, { timeoutMs: 30_000 });
    failRoute('retrieve_future', { type: 'not-ready' }, 1_000_000);
    await expect(policy.forward(someSamples)).rejects.toMatchObject({ code: 'timed-out' });
  });

  it('gives a policy whose step was lost its saved state back', async () => {
    await open(serverKind, { timeoutMs: 30_000 });
    await trainOnce();
    await policy.saveState(join(root, `state-${serverKind}`));
    const saved = await policy.forward(someSamples);
    await policy.forwardBackward(someSamples, { name: 'cross_entropy' });
    failRoute('retrieve_future', { type: 'not-ready' }, 1_000_000);
    await expect(policy.optimStep({ learningRate: 0.1 })).rejects.toMatchObject({ code: 'timed-out' });
    setup.server.failWith(undefined);
    await expect(policy.forward(someSamples)).rejects.toMatchObject({ code: 'session-lost' });
    await policy.loadState(join(root, `state-${serverKind}`));
    expect(await policy.forward(someSamples)).toEqual(saved);
  });

  it('may be restarted: what was in its memory is gone, and the error says so', async () => {
    await open(serverKind);
    await trainOnce();
    setup.server.engine.restart();
    await expect(policy.forward(someSamples)).rejects.toMatchObject({
      code: 'session-lost',
      message: expect.stringContaining('resume the run from its last checkpoint'),
    });
  });

  it('ends a session whose heartbeats it does not know any more', async () => {
    await open(serverKind);
    await policy.forward(someSamples);
    setup.server.engine.loseSessions();
    const held = new Promise(() => undefined);
    setup.server.failWith((call) => (call.route === 'forward' ? { type: 'hold', until: held } : undefined));
    const waiting = policy.forward(someSamples);
    setup.clock.pass(10_000);
    await expect(waiting).rejects.toMatchObject({ code: 'session-lost' });
    await expect(policy.publish(1)).rejects.toMatchObject({ code: 'session-lost' });
  });

  it('is told that the session lives, every ten seconds until it is closed', async () => {
    await open(serverKind);
    for (let beats = 1; beats <= 3; beats += 1) {
      setup.clock.pass(10_000);
      while (callsOf('session_heartbeat').length < beats) await policy.forward(someSamples);
    }
    await setup.backend.close();
    setup.clock.pass(10_000);
    expect(callsOf('session_heartbeat')).toHaveLength(3);
  });

  it('answers the futures of a pipeline in any order', async () => {
    await open(serverKind);
    const slow = Promise.withResolvers<void>();
    let firstFuture: string | undefined;
    setup.server.failWith(({ route, body }) => {
      if (route !== 'retrieve_future') return undefined;
      firstFuture ??= body.request_id;
      return body.request_id === firstFuture ? { type: 'hold', until: slow.promise } : undefined;
    });
    const pass = policy.forwardBackward(someSamples, { name: 'cross_entropy' });
    const taken = await policy.optimStep({ learningRate: 0.1 });
    expect(taken.step).toBe(1);
    slow.resolve();
    expect((await pass).trainedTokens).toBe(5);
    expect(applied()).toEqual(step);
  });

  it('is left alone once the signal is aborted', async () => {
    const controller = new AbortController();
    await open(serverKind, { signal: controller.signal });
    const held = new Promise(() => undefined);
    setup.server.failWith((call) => (call.route === 'forward' ? { type: 'hold', until: held } : undefined));
    const waiting = policy.forward(someSamples);
    controller.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'cancelled' });
  });

  it('is never sent the key but in its header', async () => {
    await open(serverKind);
    await trainOnce();
    for (const { headers, body } of setup.server.calls) {
      expect(headers['x-api-key']).toBe(setup.server.apiKey);
      expect(JSON.stringify(body)).not.toContain(setup.server.apiKey);
    }
    expect(setup.log.join()).not.toContain(setup.server.apiKey);
  });
});

describe.each(['worker', 'tinker'] as const)(
  'a %s server, which knows a repeated request by its sequence id,',
  (serverKind) => {
    it.each<[string, TinkerFault]>([
      ['the answer was lost', { type: 'lose-response' }],
      ['the connection was reset', { type: 'reset' }],
      ['it was down for a moment', { type: 'status', status: 502 }],
      ['a page came instead', { type: 'page' }],
    ])('gets it again with the same key when %s, and does it once', async (_, fault) => {
      await open(serverKind);
      for (const route of step) {
        failRoute(route, fault, 3);
        if (route === 'forward_backward') await policy.forwardBackward(someSamples, { name: 'cross_entropy' });
        else await policy.optimStep({ learningRate: 0.1 });
      }
      expect(applied()).toEqual(step);
      for (const route of step) {
        const calls = callsOf(route);
        expect(calls).toHaveLength(4);
        expect(new Set(calls.map(({ headers }) => headers['x-idempotency-key'])).size).toBe(1);
        expect(new Set(calls.map(({ body }) => JSON.stringify(body))).size).toBe(1);
      }
    });
  },
);

describe('a future that the server forgot', () => {
  it('is given again by a Tinker server for the same request', async () => {
    await open('tinker');
    failRoute('retrieve_future', { type: 'forget' });
    await trainOnce();
    expect(applied()).toEqual(step);
    expect(callsOf('forward_backward')).toHaveLength(2);
  });

  it('is lost for good on the worker, which does not do it again either', async () => {
    await open('worker');
    failRoute('retrieve_future', { type: 'forget' });
    await expect(trainOnce()).rejects.toMatchObject({ code: 'session-lost' });
    expect(applied()).toEqual(['forward_backward']);
  });

  it('is not asked for again where that would do it twice', async () => {
    await open('skyrl');
    failRoute('retrieve_future', { type: 'forget' });
    await expect(trainOnce()).rejects.toMatchObject({ code: 'session-lost' });
    expect(callsOf('forward_backward')).toHaveLength(1);
  });
});

describe('a SkyRL server, which would do a repeated request twice,', () => {
  it.each<[string, TinkerFault]>([
    ['the answer was lost', { type: 'lose-response' }],
    ['the connection was reset', { type: 'reset' }],
    ['a page came instead', { type: 'page' }],
    ['a proxy failed', { type: 'status', status: 502 }],
  ])('never gets one when %s: the error says that its outcome is not known', async (_, fault) => {
    await open('skyrl');
    await policy.forwardBackward(someSamples, { name: 'cross_entropy' });
    failRoute('optim_step', fault);
    await expect(policy.optimStep({ learningRate: 0.1 })).rejects.toMatchObject({
      code: 'session-lost',
      message: expect.stringContaining('do it twice'),
    });
    expect(callsOf('optim_step')).toHaveLength(1);
    await expect(policy.forward(someSamples)).rejects.toMatchObject({ code: 'session-lost' });
  });

  it('takes a save under another name when only the answer was lost', async () => {
    await open('skyrl');
    failRoute('save_weights', { type: 'lose-response' });
    await policy.saveState(join(root, 'state'));
    await policy.loadState(join(root, 'state'));
  });
});

describe('a pass whose loss is not finite', () => {
  // Ratios of e^20 with these advantages are more than a float32 holds.
  const exploding = someSamples.map((sample) => ({
    ...sample,
    logprobs: Float32Array.from(sample.lossMask, (mask) => -200 * mask),
    advantages: Float32Array.from(sample.lossMask, (mask) => 3e38 * mask),
  }));
  const explode = async (): Promise<void> => {
    const failing = policy.forwardBackward(exploding, { name: 'importance_sampling' });
    await expect(failing).rejects.toMatchObject({ code: 'numerics' });
  };

  it('leaves nothing that a saved state would lose', async () => {
    await open('worker');
    await policy.forwardBackward(someSamples, { name: 'cross_entropy' });
    await expect(policy.saveState(join(root, 'early'))).rejects.toMatchObject({ code: 'option-unsupported' });
    await explode();
    await policy.saveState(join(root, 'late'));
  });

  it.each(['skyrl', 'tinker'] as const)(
    'is found out after its step on a %s server: the policy is lost until a state is loaded',
    async (serverKind) => {
      await open(serverKind);
      await policy.saveState(join(root, `good-${serverKind}`));
      const before = await policy.forward(someSamples);
      await Promise.allSettled([explode(), policy.optimStep({ learningRate: 0.1 })]);
      await expect(policy.publish(1)).rejects.toMatchObject({
        code: 'session-lost',
        message: expect.stringMatching(
          /(after a step on its gradient was sent|the gradient norm null), so .* load its last saved state/,
        ),
      });
      await policy.loadState(join(root, `good-${serverKind}`));
      expect(await policy.forward(someSamples)).toEqual(before);
    },
  );
});

describe.each(['worker', 'skyrl', 'tinker'] as const)('a batch of two requests on a %s server', (serverKind) => {
  const batch = Array.from({ length: 1_025 }, (_, index) => sampleOf(1, 2 + (index % 5), 3));

  it('is followed by its step once both have ended', async () => {
    await open(serverKind);
    const snapshot = Promise.withResolvers<void>();
    let polls = 0;
    setup.server.failWith(({ route }) => {
      if (route !== 'retrieve_future' || callsOf('forward_backward').length < 2 || polls++ > 0) return undefined;
      return { type: 'hold', until: snapshot.promise };
    });
    const pass = policy.forwardBackward(batch, { name: 'cross_entropy' });
    const taken = policy.optimStep({ learningRate: 0.1 });
    await vi.waitUntil(() => polls > 0, { timeout: 60_000 });
    expect(callsOf('optim_step')).toEqual([]);
    snapshot.resolve();
    expect((await pass).trainedTokens).toBe(2_050);
    await taken;
    expect(applied()).toEqual(['forward_backward', ...step]);
  });

  it.each<[string, 'result' | 'refusal']>([
    ['fails', 'result'],
    ['is refused', 'refusal'],
  ])('leaves nothing to its step when the second %s', async (_, how) => {
    await open(serverKind);
    const before = await policy.forward(someSamples);
    const bad =
      how === 'result'
        ? { ...sampleOf(1, 2, 3), logprobs: Float32Array.of(0, -200, -200), advantages: Float32Array.of(0, 3e38, 3e38) }
        : sampleOf(1, 2, 3);
    if (how === 'refusal') {
      const body = { error: 'too strange', detail: 'too strange' };
      setup.server.failWith(({ route }) =>
        route === 'forward_backward' && callsOf(route).length === 2 ? { type: 'status', status: 422, body } : undefined,
      );
    }
    const [pass, taken] = await Promise.allSettled([
      policy.forwardBackward([...batch.slice(1), bad], { name: 'importance_sampling' }),
      policy.optimStep({ learningRate: 0.1 }),
    ]);
    expect(pass).toMatchObject({
      status: 'rejected',
      reason: { code: how === 'result' ? 'numerics' : 'samples-invalid' },
    });
    expect(taken).toMatchObject({ status: 'fulfilled' });
    expect(setup.log.join()).toContain('drops the gradient of a batch that failed');
    expect(await policy.forward(someSamples)).toEqual(before);
    await trainOnce();
    expect(await policy.forward(someSamples)).not.toEqual(before);
  });
});

describe('a queue', () => {
  it('that is paused says why, once', async () => {
    await open('worker');
    failRoute('retrieve_future', { type: 'not-ready', queueState: 'paused_capacity' }, 4);
    await policy.forward(someSamples);
    expect(setup.log.filter((line) => line.includes('paused_capacity'))).toHaveLength(1);
  });
});

describe('the base model', () => {
  it('names a sample that leaves no room for the token that measuring it samples', async () => {
    await open('worker');
    await policy.forwardBase([sampleOf(...Array.from({ length: 95 }, () => 1))]);
    const tooLong = policy.forwardBase([sampleOf(...Array.from({ length: 96 }, () => 1))]);
    await expect(tooLong).rejects.toMatchObject({
      code: 'context-exceeded',
      message: expect.stringContaining('contextLength below 96'),
    });
  });

  it('finds that sample among more samples than a list of arguments may have', async () => {
    await open('worker');
    const samples = Array.from({ length: 200_000 }, () => sampleOf(1, 1));
    const tooLong = policy.forwardBase([...samples, sampleOf(...Array.from({ length: 96 }, () => 1))]);
    await expect(tooLong).rejects.toMatchObject({ code: 'context-exceeded' });
  });
});
