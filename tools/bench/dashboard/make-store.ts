import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { attributeNames, rewardAttributes, type Claim, type SpanInput } from '@agent-lightning/core';
import { openSqliteStore } from '@agent-lightning/store-sqlite';

/** The shape of the store. */
export interface StoreShape {
  readonly rollouts: number;
  readonly spans: number;
  readonly groupSize: number;
  readonly groupsPerStep: number;
}

/** The rollouts that are claimed and ended at once. */
const batchSize = 500;

/** Writes a run directory whose store has so many rollouts that ended, by the store's own operations. */
export async function makeStore(
  directory: string,
  { rollouts, spans, groupSize, groupsPerStep }: StoreShape,
): Promise<void> {
  const record = { format: 1, runId: 'run', startedAt: new Date().toISOString(), config: { 'algorithm.name': 'grpo' } };
  await writeFile(join(directory, 'run.json'), JSON.stringify(record));
  const store = await openSqliteStore({
    path: join(directory, 'store.sqlite'),
    durability: 'normal',
    watchdogIntervalMs: 0,
  });
  try {
    for (let first = 0; first < rollouts; first += batchSize) {
      const indexes = Array.from({ length: Math.min(batchSize, rollouts - first) }, (_, offset) => first + offset);
      await store.enqueue(
        indexes.map((index) => {
          const group = Math.floor(index / groupSize);
          const step = Math.floor(group / groupsPerStep) + 1;
          return {
            rolloutId: `run.s${step}.g${group}.k${index % groupSize}`,
            groupId: `run.s${step}.g${group}`,
            runId: 'run',
            input: { question: `How many things are in box ${group} of room ${step}?`, kind: `kind ${group % 7}` },
            metadata: { step, sample: index % groupSize },
          };
        }),
      );
      const claims = await store.claim({ workerId: 'bench', limit: indexes.length, leaseMs: 600_000 });
      await Promise.all(
        claims.map(async (claim, offset) => {
          await store.appendSpans(claim.lease, spansOf(claim, spans));
          if ((first + offset) % 50 === 0)
            await store.fail(claim.lease, { code: 'RangeError', message: 'out of range' });
          else await store.complete(claim.lease);
        }),
      );
    }
  } finally {
    await store.close();
  }
}

function spansOf({ rollout }: Claim, count: number): readonly SpanInput[] {
  const digits = (index: number): string => index.toString(16).padStart(16, '0');
  const base = { traceId: 'a'.repeat(32), status: { code: 'ok' } as const, startTimeMs: 1_000, endTimeMs: 1_400 };
  const calls = Array.from({ length: count - 1 }, (_, index): SpanInput => ({
    ...base,
    spanId: digits(index + 1),
    kind: index % 2 === 0 ? 'model_call' : 'tool_call',
    name: index % 2 === 0 ? 'chat policy' : 'lookup',
    attributes: {
      [attributeNames.inputMessages]: JSON.stringify([{ role: 'user', content: 'a question of some words' }]),
      [attributeNames.outputMessages]: JSON.stringify([{ role: 'assistant', content: `answer ${index}` }]),
    },
  }));
  const reward = Number(rollout.metadata['sample']) % 3 === 0 ? 1 : 0;
  return [
    ...calls,
    { ...base, spanId: digits(count), kind: 'reward', name: 'reward', attributes: rewardAttributes(reward) },
  ];
}
