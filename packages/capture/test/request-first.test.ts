import type { LlmEndpoint, ModelGateway } from '@agent-lightning/core';
import { MemoryStore } from '@agent-lightning/store';
import { currentRollout, emitMessage, FrameworkRuns, operation } from '@agent-lightning/tracing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { brokenStore, captureInto, nothingDropped } from './capture-harness.ts';

const never = (): Promise<never> => new Promise(() => undefined);
const llm: LlmEndpoint = { baseUrl: 'http://gateway.invalid/v1', apiKey: 'key', model: 'policy', sampling: {} };

/** A gateway that says when it was told of an end. */
function countingGateway(
  open: () => Promise<LlmEndpoint> = async () => llm,
): ModelGateway & { closed: number; readonly firstClose: Promise<void> } {
  const first = Promise.withResolvers<void>();
  const closeAttempt = async (): Promise<void> => {
    gateway.closed += 1;
    first.resolve();
  };
  const gateway = { closed: 0, firstClose: first.promise, openAttempt: open, closeAttempt };
  return gateway;
}

/** An agent that does everything that is traced. */
const agent = operation('agent', async (question: string): Promise<string> => {
  emitMessage(question);
  await Promise.resolve();
  return `${question}!`;
});

describe('a request', () => {
  // No timer ever fires unless the test says so: what waits for one never ends.
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval'] }));
  afterEach(() => void vi.useRealTimers());

  it.each(['enqueue', 'claim', 'appendSpans', 'complete', 'getRollout', 'addReward'] as const)(
    'waits for nothing where the store hangs in %s',
    async (method) => {
      const { capture } = captureInto({ store: brokenStore(new MemoryStore(), { [method]: never }) });
      for (const question of ['one', 'two']) {
        const { rolloutId, result } = await capture.run(question, () => agent(question));
        expect(result).toBe(`${question}!`);
        void capture.reward(rolloutId, 1);
      }
      expect(capture.statistics).toMatchObject({ started: 2, dropped: nothingDropped });
    },
  );

  it('waits for a gateway that hangs no longer than gatewayTimeoutMs, and goes on without it', async () => {
    const { capture, errors } = captureInto({ gatewayTimeoutMs: 250 });
    let isAnswered = false;
    const run = capture.run('q', () => [currentRollout()?.llm, (isAnswered = true)], {
      gateway: countingGateway(never),
    });
    await vi.advanceTimersByTimeAsync(249);
    expect(isAnswered).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect((await run).result).toEqual([undefined, true]);
    expect(errors.map(({ code }) => code)).toEqual(['timed-out']);
  });

  it('does not wait for a gateway that hangs at its end', async () => {
    const { capture } = captureInto({ gatewayTimeoutMs: 250 });
    const gateway = { ...countingGateway(), closeAttempt: never };
    expect((await capture.run('q', () => agent('q'), { gateway })).result).toBe('q!');
  });
});

describe('a capture that is closed while requests go on', () => {
  it('lets them go on: the gateway keeps what it has, and is asked for nothing more', async () => {
    const { capture, exported } = captureInto();
    const gateway = countingGateway();
    const goOn = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<void>();
    const found: unknown[] = [];
    const running = capture.run(
      'q',
      async () => {
        found.push(currentRollout()?.llm);
        begun.resolve();
        await goOn.promise;
        found.push(currentRollout()?.llm);
        return agent('late');
      },
      { gateway },
    );
    await begun.promise;
    expect(await capture.close()).toMatchObject({ stored: 1, live: 0 });
    expect(gateway.closed).toBe(0);
    goOn.resolve();
    expect((await running).result).toBe('late!');
    expect(found).toEqual([llm, undefined]);
    await gateway.firstClose;
    expect(gateway.closed).toBe(1);
    expect((await exported()).map(({ rollout }) => rollout.failure?.code)).toEqual(['cancelled']);
  });

  it('is asked for nothing more by what an agent leaves behind', async () => {
    const { capture } = captureInto();
    const gateway = countingGateway();
    const left: (() => unknown)[] = [];
    const goOn = Promise.withResolvers<void>();
    let later: Promise<unknown> = Promise.resolve();
    await capture.run('q', () => void (later = goOn.promise.then(() => left.push(() => currentRollout()?.llm))), {
      gateway,
    });
    await capture.run('q', () => void (later = goOn.promise.then(() => currentRollout()?.llm)), { gateway });
    goOn.resolve();
    expect(await later).toBeUndefined();
  });
});

const broken = (): never => {
  throw new RangeError('hostile');
};
const hostile: readonly (readonly [what: string, value: unknown])[] = [
  ['nothing', undefined],
  ['an object without a prototype', Object.create(null)],
  ['an error whose message throws', Object.defineProperty(new Error('x'), 'message', { get: broken })],
  ['a proxy that throws', new Proxy({}, { get: broken, has: broken, getPrototypeOf: broken, ownKeys: broken })],
  ['a symbol', Symbol('s')],
  ['a frozen error', Object.freeze(new Error('frozen'))],
  [
    'an error with a long name',
    Object.assign(new Error('x'), { name: 'n'.repeat(5_000), message: 'm'.repeat(100_000) }),
  ],
];
const runs = FrameworkRuns.of<undefined>('request-first-test');

describe('what an agent throws', () => {
  for (const sampleRate of [1, 0]) {
    it.each(hostile)(`reaches the request as it is: %s, at the sampling rate ${sampleRate}`, async (_what, thrown) => {
      const { capture } = captureInto({ sampleRate });
      const fails = operation('fails', () => {
        throw thrown;
      });
      const work = (): unknown => {
        runs.begin({ id: 'r', describe: () => ({ span: { kind: 'agent', name: 'writer' }, detail: undefined }) });
        runs.fail('r', thrown);
        return fails();
      };
      const caught = await capture.run('q', work).then(
        () => expect.unreachable(),
        (error: unknown) => [error],
      );
      expect(Object.is(caught[0], thrown)).toBe(true);
      expect(await capture.close()).toMatchObject({ stored: sampleRate, dropped: nothingDropped, untraceable: {} });
    });
  }
});

describe('what an agent gives back', () => {
  it('is what it gave, whatever it is', async () => {
    const { capture, exported } = captureInto();
    const circular: { self?: unknown } = {};
    circular.self = circular;
    const values = [circular, 1n, Symbol('s'), Object.freeze({ a: 1 }), new Uint8Array(20_000_000), hostile[2]![1]];
    for (const value of values)
      expect((await capture.run('q', () => operation('echo', () => value)())).result).toBe(value);
    const lazy = new Proxy({}, { get: broken }); // also when it is asked for its `then`
    const kept = await capture.run('q', () => [operation('echo', () => lazy)()]);
    expect(kept.result[0]).toBe(lazy);
    expect((await exported()).map(({ spans }) => spans.length)).toEqual(Array(7).fill(1));
  });
});

describe('an input that JSON cannot hold', () => {
  it.each([
    ['a symbol', Symbol('s')],
    ['a function', () => 1],
    [
      'a getter that throws',
      {
        get question() {
          return broken();
        },
      },
    ],
    ['a proxy that throws', hostile[3]![1]],
    ['what turns into nothing', { toJSON: () => undefined }],
  ])('is counted, and the request goes on: %s', async (_what, input) => {
    const { capture } = captureInto();
    expect((await capture.run(input, () => agent('q'))).result).toBe('q!');
    expect(await capture.close()).toMatchObject({ stored: 0, dropped: { ...nothingDropped, 'input-invalid': 1 } });
  });
});

it('lets one agent serve two captures at once', async () => {
  const [one, two] = [captureInto(), captureInto()];
  await Promise.all(
    [one, two].flatMap(({ capture }) => [1, 2, 3].map((q) => capture.run(`${q}`, () => agent(`${q}`)))),
  );
  for (const { exported } of [one, two])
    expect((await exported()).map(({ rollout, spans }) => [rollout.input, spans.length])).toEqual([
      ['1', 2],
      ['2', 2],
      ['3', 2],
    ]);
});
