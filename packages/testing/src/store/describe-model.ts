import type { Lease, LightningStore } from '@agent-lightning/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { outcomeOf } from './expect-error.ts';
import { rewardSpan, sampleSpan } from './sample-data.ts';
import { withStore, type OpenStore, type StoreTest } from './store-fixture.ts';
import { StoreModel, type Operation } from './store-model.ts';

const small = fc.nat({ max: 5 });
const pick = fc.nat({ max: 1_000 });

const operations: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('enqueue' as const),
      rollout: small,
      input: fc.nat({ max: 1 }),
      priority: fc.nat({ max: 1 }),
      maxAttempts: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('claim' as const),
      limit: fc.integer({ min: 1, max: 3 }),
      leaseMs: fc.integer({ min: 1, max: 100 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constantFrom('heartbeat' as const, 'complete' as const), claim: pick }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('fail' as const),
      claim: pick,
      status: fc.constantFrom('failed' as const, 'timeout' as const, 'cancelled' as const),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('append' as const),
      claim: pick,
      // Few ids, so that they come again: open after open, ended after open, and rewards of the same id.
      spans: fc.array(fc.record({ number: fc.integer({ min: 5, max: 8 }), isOpen: fc.boolean() }), { maxLength: 4 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('reward' as const),
      rollout: small,
      span: fc.integer({ min: 6, max: 12 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('cancel' as const), rollout: small }) },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('advance' as const), milliseconds: fc.integer({ min: 1, max: 60 }) }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('watchdog' as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('reopen' as const) }) },
);

export interface ModelSuiteOptions {
  /** The number of random sequences. @default 40 */
  readonly runs?: number;
}

/** Tests that the store answers random sequences of operations as a model of a few lines does; each call may be delivered twice. */
export function describeModel(open: OpenStore, options: ModelSuiteOptions = {}): void {
  describe('against a model', () => {
    it('answers every random sequence of calls as the model does, single or repeated', async () => {
      const sequences = fc.array(fc.tuple(operations, fc.boolean()), { minLength: 10, maxLength: 60 });
      await fc.assert(
        fc.asyncProperty(sequences, async (sequence) => {
          await withStore(open, async (test) => {
            const player = new SequencePlayer(test);
            for (const [operation, isRepeated] of sequence) {
              await player.play(operation);
              if (isRepeated && operation.type !== 'claim' && operation.type !== 'advance')
                await player.play(operation);
            }
            expect(await describeStored(player.store, player.model)).toEqual(player.model.describe());
            expect(await player.store.statistics()).toMatchObject(await countStored(player.store));
          });
        }),
        { numRuns: options.runs ?? 40 },
      );
    }, 120_000);
  });
}

/** Plays operations on a store and its model, and compares each answer. */
class SequencePlayer {
  readonly model: StoreModel = new StoreModel();
  readonly #test: StoreTest;
  readonly #leases: Lease[] = [];
  readonly #failed: Set<number> = new Set();
  store: LightningStore;

  constructor(test: StoreTest) {
    this.#test = test;
    this.store = test.store;
  }

  async play(operation: Operation): Promise<void> {
    if ('claim' in operation && this.#leases.length === 0) return;
    const [expected, call] = this.#prepare(operation);
    let answer = '';
    const outcome = await outcomeOf(
      call().then((text) => {
        answer = text;
      }),
    );
    expect(`${operation.type}: ${outcome === 'ok' ? answer : outcome}`).toBe(`${operation.type}: ${expected}`);
  }

  /** Returns the model's answer, and the call that must give the same. */
  #prepare(operation: Operation): [string, () => Promise<string>] {
    const { model, store } = this;
    switch (operation.type) {
      case 'enqueue': {
        const { rollout, input, priority, maxAttempts } = operation;
        return [
          model.enqueue(rollout, input, priority, maxAttempts),
          async () =>
            (await store.enqueue([{ rolloutId: name(rollout), input, priority, retry: { maxAttempts } }]))[0]?.status ??
            'nothing',
        ];
      }
      case 'claim':
        return [model.claim(operation.limit, operation.leaseMs), () => this.#claim(operation.limit, operation.leaseMs)];
      case 'reward':
        return [
          model.reward(operation.rollout, operation.span),
          async () => String(await store.addReward(name(operation.rollout), rewardSpan(operation.span, 1))),
        ];
      case 'cancel':
        return [model.cancel(operation.rollout), async () => (await store.cancel(name(operation.rollout))).status];
      case 'watchdog':
        return [model.watchdog(), async () => String(await store.runWatchdog())];
      case 'advance':
        model.nowMs += operation.milliseconds;
        this.#test.advance(operation.milliseconds);
        return ['', async () => ''];
      case 'reopen':
        return ['', () => this.#reopen()];
      default:
        return this.#prepareLeased(operation);
    }
  }

  #prepareLeased(operation: Extract<Operation, { claim: number }>): [string, () => Promise<string>] {
    const index = operation.claim % this.#leases.length;
    const lease = this.#leases[index] as Lease;
    const claim = this.model.claims[index] as { rollout: number; attempt: number };
    const { model, store } = this;
    switch (operation.type) {
      case 'heartbeat':
        return [model.heartbeat(claim), async () => (await store.heartbeat(lease)).state];
      case 'complete':
        return [model.complete(claim), async () => (await store.complete(lease)).status];
      case 'append':
        return [
          model.append(claim, operation.spans),
          async () =>
            (
              await store.appendSpans(
                lease,
                operation.spans.map(({ number, isOpen }) => sampleSpan(number, { isOpen })),
              )
            ).join(' '),
        ];
      case 'fail': {
        const expected = model.fail(claim, operation.status, this.#failed.has(index));
        if (expected !== 'store-fenced') this.#failed.add(index);
        return [
          expected,
          async () =>
            (await store.fail(lease, { code: 'agent-failed', message: 'boom', status: operation.status })).status,
        ];
      }
    }
  }

  async #claim(limit: number, leaseMs: number): Promise<string> {
    const claims = await this.store.claim({ workerId: 'worker', limit, leaseMs });
    for (const { lease } of claims) this.#leases.push(lease);
    return claims.map(({ rollout, attempt }) => `${rollout.rolloutId.slice(1)}.${attempt.attemptNumber}`).join(' ');
  }

  async #reopen(): Promise<string> {
    if (this.#test.reopen !== undefined) this.store = await this.#test.reopen();
    return '';
  }
}

function name(rollout: number): string {
  return `r${rollout}`;
}

/** Returns the store's state in the words of `StoreModel.describe`. */
async function describeStored(store: LightningStore, model: StoreModel): Promise<readonly string[]> {
  const { items } = await store.queryRollouts();
  const lines = await Promise.all(
    items.map(async ({ rolloutId, status }) => {
      const attempts = await store.queryAttempts(rolloutId);
      const numbers = new Map(attempts.map((attempt) => [attempt.attemptId, attempt.attemptNumber]));
      const spans = await store.querySpans({ rolloutIds: [rolloutId] });
      const keys = spans.map(
        (span) =>
          `${numbers.get(span.attemptId)} ${parseInt(span.spanId, 16)}:${span.sequenceId}${span.isOpen === true ? ' open' : ''}`,
      );
      return `${rolloutId.slice(1)} ${status} [${attempts.map((attempt) => attempt.status).join(',')}] ${keys.join(' ')}`;
    }),
  );
  expect(items).toHaveLength(model.rollouts.size);
  return lines;
}

/** Counts what `statistics` answers with from the records themselves. */
async function countStored(store: LightningStore): Promise<Readonly<Record<string, unknown>>> {
  const { items } = await store.queryRollouts();
  const rolloutIds = items.map((rollout) => rollout.rolloutId);
  const attempts = (await Promise.all(rolloutIds.map((rolloutId) => store.queryAttempts(rolloutId)))).flat();
  const { rollouts, attempts: attemptCounts } = await store.statistics();
  return {
    rollouts: countByStatus(Object.keys(rollouts), items),
    attempts: countByStatus(Object.keys(attemptCounts), attempts),
    spans: (await store.querySpans({ rolloutIds })).length,
  };
}

function countByStatus(
  statuses: readonly string[],
  records: readonly { readonly status: string }[],
): Readonly<Record<string, number>> {
  return Object.fromEntries(
    statuses.map((status) => [status, records.filter((record) => record.status === status).length]),
  );
}
