import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rewardAttributes, type SpanInput, type TrainingSample } from '@agent-lightning/core';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { LetterBackend } from '../../bench/learning/ailments/letter-model.ts';
import { auditRun, type RunEvidence } from './audit-run.ts';
import type { AppliedStep } from './letter-worker.ts';
import type { RunEntry } from './trained-run.ts';
import { pack } from './wire.ts';

let evidence: RunEvidence;
let entries: RunEntry[];
let applied: AppliedStep[];
/** The optimizer steps that the final model holds. */
let learned: AppliedStep[];
beforeEach(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'audit-'));
  const [runLedger, workerLedger] = [join(folder, 'run.jsonl'), join(folder, 'worker.jsonl')];
  evidence = { folder, runId: 'run', steps: 1, runLedger, workerLedger };
  entries = [];
  mkdirSync(join(folder, 'run'));
  writeFileSync(join(folder, 'run', 'metrics.jsonl'), '{"step":1}\n');
  applied = [stepOn(0, ['run.s1.g0.k0', 'run.s1.g0.k1'])];
  learned = applied;
  for (const [sample, reward] of [0, 1].entries()) await runRollout(`run.s1.g0.k${sample}`, reward);
});
afterEach(() => rmSync(evidence.folder, { recursive: true }));

function stepOn(from: number, rolloutIds: readonly string[]): AppliedStep {
  const samples = rolloutIds.map((rolloutId, index): TrainingSample => {
    const tokens = Int32Array.of(9, 1, 8, 10, 2);
    const [lossMask, logprobs] = [Uint8Array.of(0, 0, 0, 0, 1), Float32Array.of(0, 0, 0, 0, -2)];
    return { tokens, lossMask, logprobs, advantages: Float32Array.of(0, 0, 0, 0, index - 0.5), rolloutId } as never;
  });
  return { from, passes: [{ samples, loss: { name: 'importance_sampling' } }], adam: { learningRate: 0.1 } };
}

async function runRollout(rolloutId: string, reward: number, answers = 1): Promise<void> {
  const store = await openSqliteStore({ path: join(evidence.folder, 'store.sqlite'), thread: false });
  await store.enqueue([{ rolloutId, runId: 'run', groupId: 'run.s1.g0', input: null }]);
  const [claim] = await store.claim({ workerId: 'w' });
  const { lease } = claim!;
  const base = { traceId: 'c'.repeat(32), status: { code: 'ok' as const }, startTimeMs: 1, endTimeMs: 2 };
  const [prompt, response, logprobs] = [Int32Array.of(1), Int32Array.of(2), Float32Array.of(-1)];
  const spans: SpanInput[] = [
    {
      ...base,
      spanId: '1'.repeat(16),
      kind: 'model_call',
      name: 'chat',
      attributes: {},
      tokens: { prompt, response, logprobs },
    },
    { ...base, spanId: '2'.repeat(16), kind: 'reward', name: 'reward', attributes: rewardAttributes(reward) },
  ];
  await store.appendSpans(lease, spans);
  await store.complete(lease);
  await store.close();
  const ids = { rolloutId, attemptId: lease.attemptId };
  for (let answer = 0; answer < answers; answer += 1) entries.push({ type: 'answered', ...ids });
  entries.push({ type: 'earned', ...ids, reward }, { type: 'completed', ...ids });
}

async function audit(): Promise<readonly string[]> {
  writeFileSync(evidence.runLedger, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
  writeFileSync(evidence.workerLedger, applied.map((step) => `${JSON.stringify(pack(step))}\n`).join(''));
  const policy = await new LetterBackend().createPolicy({ name: 'policy', seed: 0 });
  for (const { passes, adam } of learned) {
    for (const { samples, loss } of passes) await policy.forwardBackward(samples, loss);
    await policy.optimStep(adam);
  }
  await policy.saveState(join(evidence.folder, 'run', 'model'));
  return (await auditRun(evidence)).violations;
}

it('finds nothing wrong with a whole run, and forgives a step that a kill undid', async () => {
  expect(await audit()).toEqual([]);
  applied = [stepOn(0, ['run.s1.g0.k1']), ...learned];
  expect(await audit()).toEqual([]);
});

it.each<[string, () => Promise<void> | void, RegExp]>([
  ['a step that was applied twice', () => void (learned = [...applied, ...applied]), /not what its 1 recorded/],
  ['a step that is missing', () => void (applied = [stepOn(1, ['run.s1.g0.k0', 'run.s1.g0.k1'])]), /step 0 was never/],
  ['a run that learned nothing', () => void (applied = []), /no optimizer step/],
  [
    'a rollout that was left out',
    () => void (learned = applied = [stepOn(0, ['run.s1.g0.k0'])]),
    /k1 .*not trained on/,
  ],
  ['a call that is lost', () => runRollout('run.s1.g0.k2', 0, 2), /has 1 whole calls, and its agent read 2 answers/],
  ['a rollout that ran twice', () => runRollout('run.s1.g0.k0.r1', 0), /run\.s1\.g0\.k0 succeeded 2 times/],
  [
    'an acknowledged rollout that is gone',
    () => void entries.push({ type: 'completed', rolloutId: 'run.gone', attemptId: 'x' }),
    /acknowledged run\.gone \(x\): is undefined/,
  ],
  [
    'metrics that lack a step',
    () => writeFileSync(join(evidence.folder, 'run', 'metrics.jsonl'), ''),
    /has the steps {2}instead of 1/,
  ],
])('names %s', async (_, spoil, violation) => {
  await spoil();
  expect((await audit()).join('\n')).toMatch(violation);
});
