import { Console } from 'node:console';
import { Writable } from 'node:stream';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  failureKinds,
  GatewayError,
  LightningError,
  type Claim,
  type EnqueueRequest,
  readReward,
  type JsonValue,
  type Rollout,
  type ModelGateway,
} from '@agent-lightning/core';
import { MemoryStore, type StoreOptions } from '@agent-lightning/store';
import { requireRollout } from '@agent-lightning/tracing';
import type { RolloutFunction } from './rollout-function.ts';
import { Runner } from './runner.ts';
import type { RunnerOptions } from './runner-options.ts';
import { holdTimers } from '../../gateway/test/held-timers.ts';

/** Ends a wait in vain. */
const hangGuard = { timeout: 60_000 };

const stores: MemoryStore[] = [];

afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
});

function createStore(options: StoreOptions = {}): MemoryStore {
  const store = new MemoryStore(options);
  stores.push(store);
  return store;
}

interface Harness {
  readonly store: MemoryStore;
  readonly errors: unknown[];
  readonly runner: Runner<JsonValue>;
  /** Enqueues, runs, waits until all are final and stops the runner. */
  run(requests: readonly EnqueueRequest[]): Promise<readonly Rollout[]>;
}

function harness(
  rollout: RolloutFunction,
  options: Partial<RunnerOptions<JsonValue>> = {},
  store: MemoryStore = createStore(),
): Harness {
  const errors: unknown[] = [];
  const runner = new Runner({ store, rollout, onError: (error) => errors.push(error), ...options });
  return {
    store,
    errors,
    runner,
    run: async (requests) => {
      const ids = (await store.enqueue(requests)).map((each) => each.rolloutId);
      const running = runner.run();
      const rollouts = await store.waitFor(ids);
      await runner.stop();
      await running;
      return rollouts;
    },
  };
}

/** Resolves when the signal aborts; an agent that does what its signal says. */
function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
}

describe('rewards', () => {
  it('records a returned number as the primary reward of the rollout', async () => {
    const { run, store } = harness((task) => (task === 'right' ? 1 : 0));
    const [rollout] = await run([{ input: 'right' }]);
    expect(rollout!.status).toBe('succeeded');
    const spans = await store.querySpans({ rolloutIds: [rollout!.rolloutId] });
    expect(spans.map((span) => readReward(span))).toEqual([
      { scope: 'rollout', dimensions: [{ name: 'primary', value: 1 }] },
    ]);
  });

  it('records named numbers in their order', async () => {
    const { run, store } = harness(() => ({ correct: 0.5, format: 1 }));
    const [rollout] = await run([{ input: null }]);
    const [span] = await store.querySpans({ rolloutIds: [rollout!.rolloutId] });
    expect(readReward(span!)!.dimensions).toEqual([
      { name: 'correct', value: 0.5 },
      { name: 'format', value: 1 },
    ]);
  });

  it('records booleans as 1 and 0, with the feedback beside them', async () => {
    const { run, store } = harness((task) => (task === 'plain' ? true : { right: false, feedback: 'off by one' }));
    const rollouts = await run([{ input: 'plain' }, { input: 'named' }]);
    const spans = await store.querySpans({ rolloutIds: rollouts.map(({ rolloutId }) => rolloutId) });
    expect(spans.map((span) => readReward(span))).toEqual([
      { scope: 'rollout', dimensions: [{ name: 'primary', value: 1 }] },
      { scope: 'rollout', dimensions: [{ name: 'right', value: 0 }], feedback: 'off by one' },
    ]);
  });

  it('keeps with the rollout what agent, reward and hooks write by console', async () => {
    const quiet = new Console(new Writable({ write: (_chunk, _encoding, done) => done() }));
    const { run, store } = harness(
      async (task) => {
        quiet.log('scoring %s', task);
        await new Promise((resolve) => setImmediate(resolve));
        if (task === 'broken') throw new RangeError('no such table');
        return 1;
      },
      { concurrency: 3, hooks: { onRolloutEnd: ({ rollout }) => quiet.warn('ended %s', rollout.input) } },
    );
    const rollouts = await run([{ input: 'one' }, { input: 'two' }, { input: 'broken' }]);
    for (const { rolloutId, input } of rollouts) {
      const spans = await store.querySpans({ rolloutIds: [rolloutId], kinds: ['message'] });
      expect(spans.map(({ name, attributes }) => [name, attributes])).toEqual([
        ['console', { 'agentlightning.message.body': `scoring ${input}\nwarn: ended ${input}` }],
      ]);
    }
  });

  it('lets a rollout succeed without a reward', async () => {
    const { run, store } = harness(() => undefined);
    const [rollout] = await run([{ input: null }]);
    expect(rollout!.status).toBe('succeeded');
    expect(await store.querySpans({ rolloutIds: [rollout!.rolloutId] })).toEqual([]);
  });

  it.each([
    ['NaN', NaN],
    ['Infinity', Infinity],
    ['a bigint', 1n],
    ['a reward that is too large', 1e200],
    ['feedback alone', { feedback: 'no' }],
    ['a string', '1'],
    ['null', null],
    ['an array', [1]],
    ['{}', {}],
    ['a nested NaN', { a: NaN }],
  ])('fails the attempt with reward-invalid for %s', async (_, reward) => {
    const { run } = harness(() => reward as unknown as number);
    const [rollout] = await run([{ input: null }]);
    expect(rollout).toMatchObject({ status: 'failed', failure: { code: 'reward-invalid' } });
  });
});

describe('agents that go wrong', () => {
  it('keeps the exception of an agent that throws as a span and as the failure', async () => {
    const { run, store } = harness(() => {
      throw new RangeError('no such table: orders');
    });
    const [rollout] = await run([{ input: null }]);
    expect(rollout).toMatchObject({
      status: 'failed',
      failure: { code: 'RangeError', message: 'no such table: orders' },
    });
    const [span] = await store.querySpans({ rolloutIds: [rollout!.rolloutId] });
    expect(span).toMatchObject({
      kind: 'exception',
      status: { code: 'error' },
      attributes: { 'exception.type': 'RangeError' },
    });
  });

  it('keeps the code of an error of this project', async () => {
    const { run } = harness((_, context) => void context.llm.baseUrl);
    const [rollout] = await run([{ input: null }]);
    expect(rollout!.failure!.code).toBe('no-rollout');
  });

  it('times out an agent that ignores its signal, goes on with the next, and refuses its late writes', async () => {
    using time = holdTimers(54_321);
    let lateWrite: Promise<unknown> | undefined;
    let aborted: unknown;
    const { run, store, runner } = harness(
      async (task, { signal }) => {
        if (task === 'quick') return 1;
        const { lease, recorder } = requireRollout('test');
        signal.addEventListener('abort', () => {
          aborted = signal.reason;
          lateWrite = (async () => {
            await vi.waitUntil(async () => (await store.getRollout(lease.rolloutId))!.status === 'failed', hangGuard);
            recorder.record({ kind: 'message', name: 'late' });
            await store.appendSpans(lease, []);
            throw new Error('nobody listens to this');
          })();
          lateWrite.catch(() => undefined);
        });
        time.end();
        return await new Promise<number>(() => undefined);
      },
      { attemptTimeoutMs: 54_321 },
    );
    const [hung, quick] = await run([{ input: 'hang' }, { input: 'quick' }]);
    expect(hung).toMatchObject({ status: 'failed', failure: { code: 'timed-out' } });
    expect((await store.queryAttempts(hung!.rolloutId))[0]!.status).toBe('timeout');
    expect(quick!.status).toBe('succeeded');
    expect(aborted).toMatchObject({ code: 'timed-out' });
    await expect(lateWrite).rejects.toThrow();
    expect(await store.querySpans({ rolloutIds: [hung!.rolloutId] })).toEqual([]);
    expect(runner.active).toBe(0);
  });

  it('does not let a late rejection of an abandoned agent become an unhandled one', async () => {
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    try {
      const { run } = harness(
        async (_, { signal }) => {
          await untilAborted(signal).catch(() => new Promise((resolve) => setImmediate(resolve)));
          throw new Error('too late');
        },
        { attemptTimeoutMs: 10 },
      );
      await run([{ input: null }]);
      await new Promise((resolve) => setImmediate(resolve));
      await new Promise((resolve) => setImmediate(resolve));
      expect(unhandled).not.toHaveBeenCalled();
    } finally {
      process.off('unhandledRejection', unhandled);
    }
  });

  it('honours the shorter startToFinishMs of the rollout', async () => {
    using time = holdTimers(43_210);
    const agent: RolloutFunction = (_, { signal }) => {
      const ended = untilAborted(signal);
      time.end();
      return ended;
    };
    const { run } = harness(agent, { attemptTimeoutMs: 60_000 });
    const [rollout] = await run([{ input: null, timeouts: { startToFinishMs: 43_210 } }]);
    expect(rollout!.failure!.code).toBe('timed-out');
  });

  it("retries by the rollout's policy", async () => {
    let tries = 0;
    const { run, store } = harness(() => {
      tries += 1;
      if (tries < 3) throw new Error('flaky');
      return 1;
    });
    const [rollout] = await run([{ input: null, retry: { maxAttempts: 3 } }]);
    expect(rollout).toMatchObject({ status: 'succeeded', attemptCount: 3 });
    expect((await store.queryAttempts(rollout!.rolloutId)).map((attempt) => attempt.status)).toEqual([
      'failed',
      'failed',
      'succeeded',
    ]);
  });

  it('fails an attempt whose resources are missing instead of leaving it behind', async () => {
    const { run, store } = harness(() => 1);
    vi.spyOn(store, 'getResources').mockResolvedValue(undefined);
    await store.putResources('prompts', { system: { type: 'prompt_template', template: 'Hi', engine: 'f-string' } });
    const [rollout] = await run([{ input: null, resourcesId: 'prompts' }]);
    expect(rollout).toMatchObject({ status: 'failed', failure: { code: 'store-not-found' } });
  });
});

describe('cancellation and stopping', () => {
  it('aborts the agent when a heartbeat says that the rollout was cancelled', async () => {
    const started = Promise.withResolvers<void>();
    let reason: unknown;
    const { store, runner } = harness(
      async (_, { signal }) => {
        started.resolve();
        return await untilAborted(signal).catch((error: unknown) => {
          reason = error;
          throw error;
        });
      },
      { leaseMs: 100 },
      createStore({ watchdogIntervalMs: 0 }), // a slow machine lets no lease end
    );
    const [queued] = await store.enqueue([{ input: null }]);
    const running = runner.run();
    await started.promise;
    await store.cancel(queued!.rolloutId, 'not needed');
    await vi.waitUntil(() => runner.active === 0, hangGuard);
    await runner.stop();
    expect(await running).toMatchObject({ cancelled: 1, failed: 0 });
    expect(reason).toMatchObject({ code: 'cancelled' });
    expect((await store.getRollout(queued!.rolloutId))!.status).toBe('cancelled');
  });

  it('keeps the lease of a long rollout alive', async () => {
    let nowMs = 1_000;
    const store = createStore({ now: () => nowMs, watchdogIntervalMs: 0 });
    const heartbeat = store.heartbeat.bind(store);
    const beaten = Promise.withResolvers<void>();
    let beats = 0;
    vi.spyOn(store, 'heartbeat').mockImplementation(async (lease) => {
      nowMs += 40;
      await store.runWatchdog(); // ends every attempt whose lease is over
      const reply = await heartbeat(lease);
      if (++beats === 4) beaten.resolve();
      return reply;
    });
    const { run } = harness(
      async () => {
        await beaten.promise;
        return 1;
      },
      { leaseMs: 100 },
      store,
    );
    const [rollout] = await run([{ input: null }]);
    expect(rollout).toMatchObject({ status: 'succeeded', attemptCount: 1 });
    expect(nowMs).toBeGreaterThan(1_000 + 100); // longer than one lease
  });

  it('finishes what runs when it is stopped, and claims nothing more', async () => {
    const release = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    const { store, runner } = harness(async () => {
      started.resolve();
      await release.promise;
      return 1;
    });
    await store.enqueue([
      { input: 1, rolloutId: 'a' },
      { input: 2, rolloutId: 'b' },
    ]);
    const running = runner.run();
    await started.promise;
    const stopping = runner.stop();
    release.resolve();
    await stopping;
    expect(await running).toMatchObject({ succeeded: 1 });
    expect((await store.getRollout('b'))!.status).toBe('queuing');
  });

  it('reports what it aborts as cancelled, never as succeeded', async () => {
    const started = Promise.withResolvers<void>();
    const { store, runner } = harness(async (_, { signal }) => {
      started.resolve();
      await untilAborted(signal);
      return 1;
    });
    const [queued] = await store.enqueue([{ input: null }]);
    const abort = new AbortController();
    const running = runner.run(abort.signal);
    await started.promise;
    abort.abort();
    expect(await running).toMatchObject({ cancelled: 1 });
    expect((await store.getRollout(queued!.rolloutId))!.status).toBe('cancelled');
  });

  it('rejects when the store is closed under it', async () => {
    const { store, runner } = harness(() => 1);
    const running = runner.run();
    await store.close();
    await expect(running).rejects.toMatchObject({ code: 'store-closed' });
  });
});

describe('concurrency', () => {
  it('runs as many rollouts at once as it was told, each in its own scope', async () => {
    let active = 0;
    let most = 0;
    const four = Promise.withResolvers<void>();
    const { run } = harness(
      async (task, { rollout }) => {
        most = Math.max(most, ++active);
        if (active === 4) four.resolve();
        await four.promise;
        await new Promise((resolve) => setImmediate(resolve));
        expect(requireRollout('test').rollout.rolloutId).toBe(rollout.rolloutId);
        expect(rollout.input).toBe(task);
        active -= 1;
        return 1;
      },
      { concurrency: 4 },
    );
    const rollouts = await run(Array.from({ length: 20 }, (_, input) => ({ input })));
    expect(rollouts.every((rollout) => rollout.status === 'succeeded')).toBe(true);
    expect(most).toBe(4);
  });

  it('starts on work that arrives while it waits', async () => {
    const { store, runner } = harness(() => 1);
    const running = runner.run();
    await new Promise((resolve) => setImmediate(resolve));
    const [queued] = await store.enqueue([{ input: null }]);
    expect((await store.waitFor([queued!.rolloutId]))[0]!.status).toBe('succeeded');
    await runner.stop();
    await running;
  });

  it('claims only from its queues, modes and run', async () => {
    const { store, runner } = harness(() => 1, { queues: ['gpu'], modes: ['val'], runId: 'mine' });
    const other = { input: null, mode: 'val', queue: 'gpu', runId: 'mine' } as const;
    await store.enqueue([
      { ...other, rolloutId: 'queue', queue: 'cpu' },
      { ...other, rolloutId: 'mode', mode: 'train' },
      { ...other, rolloutId: 'run', runId: 'theirs' },
      { ...other, rolloutId: 'taken' },
    ]);
    const running = runner.run();
    await store.waitFor(['taken']);
    await runner.stop();
    expect(await running).toMatchObject({ succeeded: 1 });
    expect((await store.queryRollouts({ statuses: ['queuing'] })).items.map((each) => each.rolloutId)).toEqual([
      'queue',
      'mode',
      'run',
    ]);
  });
});

describe('hooks', () => {
  it('are called around the attempt, and see the reward', async () => {
    const calls: string[] = [];
    const { run } = harness(() => calls.push('agent'), {
      hooks: {
        onRolloutStart: ({ attempt }) => void calls.push(`start ${attempt.attemptNumber}`),
        onRolloutEnd: async ({ outcome, spans }) =>
          void calls.push(`end ${outcome.status} ${(await spans()).map((span) => span.kind).join()}`),
      },
    });
    await run([{ input: null }]);
    expect(calls).toEqual(['start 1', 'agent', 'end succeeded reward']);
  });

  it('are reported and not fatal when they throw or hang', async () => {
    const { run, errors } = harness(() => 1, {
      hookTimeoutMs: 10,
      hooks: {
        onRolloutStart: () => {
          throw new Error('broken');
        },
        onRolloutEnd: () => new Promise(() => undefined),
      },
    });
    const [rollout] = await run([{ input: null }]);
    expect(rollout!.status).toBe('succeeded');
    expect(errors.map((error) => LightningError.isInstance(error) && error.code)).toEqual([
      'hook-failed',
      'hook-failed',
    ]);
    expect(String(errors[1])).toContain('10 ms');
  });
});

describe('the gateway', () => {
  const endpoint = { baseUrl: 'http://127.0.0.1:1/v1', apiKey: 'k', model: 'policy', sampling: {} };

  it('gives the agent its endpoint and is closed before the rollout is final', async () => {
    const order: string[] = [];
    const { store, runner } = harness(
      (_, { llm }) => {
        order.push(llm.model);
        expect(llm).toEqual({ ...endpoint, anthropicBaseUrl: 'http://127.0.0.1:1' });
        return 1;
      },
      {
        gateway: {
          openAttempt: async () => endpoint,
          closeAttempt: async ({ rollout }: Claim) => void order.push(await statusOf(rollout.rolloutId)),
        } satisfies ModelGateway,
      },
    );
    const statusOf = async (rolloutId: string): Promise<string> => (await store.getRollout(rolloutId))!.status;
    const [queued] = await store.enqueue([{ input: null }]);
    const running = runner.run();
    await store.waitFor([queued!.rolloutId]);
    await runner.stop();
    await running;
    expect(order[0]).toBe('policy');
    expect(['preparing', 'running']).toContain(order[1]);
  });

  it('fails an attempt whose calls could not be stored, or whose URL could not be opened', async () => {
    const full = new LightningError('the disk is full', { code: 'store-full' });
    for (const gateway of [
      { openAttempt: async () => endpoint, closeAttempt: () => Promise.reject(full) },
      { openAttempt: () => Promise.reject(full), closeAttempt: async () => undefined },
    ]) {
      const [rollout] = await harness(() => 1, { gateway }).run([{ input: null }]);
      expect(rollout).toMatchObject({ status: 'failed', failure: { code: 'store-full' } });
    }
  });
});

describe('options', () => {
  it.each([
    ['concurrency', 0],
    ['leaseMs', 1],
    ['hookTimeoutMs', 0.5],
    ['attemptTimeoutMs', -1],
  ])('refuses %s = %s', (name, value) => {
    expect(() => new Runner({ store: createStore(), rollout: () => 1, [name]: value })).toThrow(
      expect.objectContaining({ code: 'option-invalid' }),
    );
  });

  it('refuses to run twice', async () => {
    const { runner } = harness(() => 1);
    const running = runner.run();
    expect(() => runner.run()).toThrow(expect.objectContaining({ code: 'option-invalid' }));
    await runner.stop();
    await running;
  });
});

it.each(['unauthorized', 'forbidden', 'not-found'] as const)(
  'a runner whose gateway says %s ends, and leaves what it has not claimed to others',
  async (code) => {
    const refuse = async (): Promise<never> => {
      throw new GatewayError('the gateway would not open the attempt: the API key is missing or wrong', { code });
    };
    const gateway: ModelGateway = { openAttempt: refuse, closeAttempt: async () => undefined };
    const { runner, store } = harness(() => expect.unreachable(), { gateway, concurrency: 2 });
    await store.enqueue(Array.from({ length: 5 }, () => ({ input: null })));
    await expect(runner.run()).rejects.toMatchObject({
      code: 'upstream-rejected',
      message: expect.stringContaining('the API key is missing or wrong; give this runner the address and the key'),
    });
    const rollouts = (await store.queryRollouts()).items;
    expect(rollouts.map(({ status }) => status)).toEqual(['failed', 'failed', 'queuing', 'queuing', 'queuing']);
    expect(failureKinds.of(rollouts[0]!.failure!)).toBe('world');
  },
);
