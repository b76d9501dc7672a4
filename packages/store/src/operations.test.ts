import {
  rewardNameAttribute,
  rewardValueAttribute,
  type Claim,
  type LightningStore,
  type SpanInput,
} from '@agent-lightning/core';
import { describe, expect, it } from 'vitest';
import { MemoryStore } from './memory-store.ts';
import { read, type Operation, type StoreMethods, type TableOf } from './operation.ts';
import { methodTable, operationTable } from './operations.ts';

type Name = keyof StoreMethods;

const span: SpanInput = {
  spanId: '1'.repeat(16),
  traceId: 'a'.repeat(32),
  kind: 'reward',
  name: 'reward',
  status: { code: 'ok' },
  startTimeMs: 1,
  endTimeMs: 2,
  attributes: { [rewardNameAttribute(0)]: 'primary', [rewardValueAttribute(0)]: 1 },
};

/** Arguments for each operation that changes something, given a claim on rollout `a`. */
const changes: readonly (readonly [Name, (claim: Claim) => readonly unknown[]])[] = [
  ['enqueue', () => [[{ rolloutId: 'new', input: 1 }]]],
  ['enqueue', () => [[{ input: 1 }]]],
  ['cancel', () => ['a', 'enough']],
  ['claim', () => [{ workerId: 'w' }]],
  ['heartbeat', ({ lease }) => [lease]],
  ['complete', ({ lease }) => [lease]],
  ['fail', ({ lease }) => [lease, { code: 'broken', message: 'it broke' }]],
  ['appendSpans', ({ lease }) => [lease, [span]]],
  ['addReward', () => ['a', span]],
  ['putResources', () => ['prompts', { greeting: { type: 'json', value: 1 } }]],
  ['runWatchdog', () => []],
  ['deleteRun', () => ['finished']],
];

async function callTwice(name: Name, argumentsFor: (claim: Claim) => readonly unknown[]): Promise<boolean> {
  let nowMs = 1_000;
  const store = new MemoryStore({ now: () => nowMs, watchdogIntervalMs: 0 });
  await store.enqueue([
    { rolloutId: 'a', input: 1, priority: 1 },
    { rolloutId: 'b', input: 1 },
    { rolloutId: 'c', input: 1, runId: 'finished' },
    { rolloutId: 'd', input: 1, timeouts: { totalMs: 10 } },
  ]);
  await store.cancel('c');
  const [claim] = (await store.claim({ workerId: 'w' })) as [Claim];
  const given = argumentsFor(claim);
  const call = (): Promise<unknown> => (store[name] as (...args: readonly unknown[]) => Promise<unknown>)(...given);
  nowMs += 100;
  const first = [await call(), await readAll(store)];
  const second = [await call(), await readAll(store)];
  await store.close();
  try {
    expect(second).toEqual(first);
    return true;
  } catch {
    return false;
  }
}

async function readAll(store: LightningStore): Promise<unknown> {
  const { items } = await store.queryRollouts();
  return {
    items,
    attempts: await Promise.all(items.map(({ rolloutId }) => store.queryAttempts(rolloutId))),
    spans: await store.querySpans({ rolloutIds: items.map(({ rolloutId }) => rolloutId) }),
    statistics: await store.statistics(),
  };
}

describe('the table of operations', () => {
  it.each(changes)('says whether %s answers the same and changes nothing when it comes twice', async (name, given) => {
    const lease = { rolloutId: 'a', attemptId: 'at', fencingToken: 1 };
    const { check, mayRepeat } = operationTable[name] as Operation<readonly unknown[], unknown>;
    const declared = mayRepeat(check(...given({ lease } as Claim)));
    expect(await callTwice(name, given)).toBe(declared);
  });

  it('has each operation that changes something in the test above', () => {
    const changing = Object.entries(methodTable).flatMap(([name, { kind }]) =>
      kind === 'write' || kind === 'upkeep' ? [name] : [],
    );
    expect(new Set(changes.map(([name]) => name))).toEqual(new Set(changing));
  });

  it('does not compile without an operation, with a misspelt one, or with a wait that is declared as a read', () => {
    const { statistics, waitForWork, ...others } = methodTable;
    // @ts-expect-error: `waitForWork` is missing
    const missing: TableOf<StoreMethods> = { ...others, statistics };
    // @ts-expect-error: `statistic` is no method of a store
    const misspelt: TableOf<Pick<StoreMethods, 'statistics'>> = { statistics, statistic: statistics };
    const reads = read(
      [],
      () => [],
      () => undefined,
    );
    // @ts-expect-error: `waitForWork` takes a signal
    const still: TableOf<Pick<StoreMethods, 'waitForWork'>> = { waitForWork: reads };
    expect(waitForWork.kind).toBe('wait');
    expect([missing, misspelt, still]).toHaveLength(3);
  });
});
