import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { attributeNames, readReward, type LightningStore, type Rollout, type Span } from '@agent-lightning/core';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { LetterBackend } from '../../bench/learning/ailments/letter-model.ts';
import type { AppliedStep } from './letter-worker.ts';
import type { RunEntry } from './trained-run.ts';
import { unpack } from './wire.ts';

/** What a finished run is checked against. */
export interface RunEvidence {
  readonly folder: string;
  readonly runId: string;
  readonly steps: number;
  readonly runLedger: string;
  readonly workerLedger: string;
}

export interface RunAudit {
  /** Rollouts whose end the store had acknowledged, each attempt once. */
  readonly acknowledged: number;
  /** Model calls that agents had read the answers of, in those attempts. */
  readonly answered: number;
  /** Optimizer steps that the worker took, also those that a kill undid. */
  readonly applied: number;
  readonly violations: readonly string[];
}

/** Checks every promise that a run keeps, however often its processes were killed. */
export async function auditRun(evidence: RunEvidence): Promise<RunAudit> {
  const entries = await readLines<RunEntry>(evidence.runLedger);
  const applied = (await readLines(evidence.workerLedger)).map((line) => unpack(line) as AppliedStep);
  const store = await openSqliteStore({ path: join(evidence.folder, 'store.sqlite'), thread: false });
  try {
    const kept = findKept(applied);
    const rollouts = (await store.queryRollouts({ runId: evidence.runId, limit: 10_000 })).items;
    const { answered, violations } = await checkAcknowledged(store, entries, rollouts);
    return {
      acknowledged: entries.filter(({ type }) => type === 'completed').length,
      answered,
      applied: applied.length,
      violations: [
        ...violations,
        ...checkRunOnce(rollouts),
        ...checkTrained(rollouts, entries, kept),
        ...(await checkMetrics(evidence)),
        ...(await checkReplay(evidence, kept)),
        ...(await store.checkIntegrity()).map((problem) => `the data is damaged: ${problem}`),
      ],
    };
  } finally {
    await store.close();
  }
}

/** Reads a ledger; its last line may be cut off by a kill, and never counts then. */
async function readLines<Line = unknown>(path: string): Promise<readonly Line[]> {
  const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => line !== '');
  return lines.flatMap((line) => {
    try {
      return [JSON.parse(line) as Line];
    } catch {
      return [];
    }
  });
}

/** Checks that each acknowledged end is still there, with every call that its agent had got an answer to, and with its reward. */
async function checkAcknowledged(
  store: LightningStore,
  entries: readonly RunEntry[],
  rollouts: readonly Rollout[],
): Promise<{ readonly answered: number; readonly violations: readonly string[] }> {
  const violations: string[] = [];
  const statuses = new Map(rollouts.map((rollout) => [rollout.rolloutId, rollout.status]));
  const answers = Map.groupBy(
    entries.filter(({ type }) => type === 'answered'),
    ({ attemptId }) => attemptId,
  );
  let answered = 0;
  for (const { rolloutId, attemptId } of entries.filter(({ type }) => type === 'completed')) {
    const fail = (what: string): void => void violations.push(`acknowledged ${rolloutId} (${attemptId}): ${what}`);
    if (statuses.get(rolloutId) !== 'succeeded') fail(`is ${statuses.get(rolloutId)}`);
    const spans = await store.querySpans({ rolloutIds: [rolloutId], attemptId, includeTokens: true });
    const expected = answers.get(attemptId)?.length ?? 0;
    const whole = spans.filter(isWholeCall).length;
    answered += expected;
    if (whole !== expected) fail(`has ${whole} whole calls, and its agent read ${expected} answers`);
    const earned = entries.find((entry) => entry.type === 'earned' && entry.attemptId === attemptId);
    const reward = spans.map((span) => readReward(span)).find((each) => each !== undefined);
    const value = reward?.dimensions[0]?.value;
    if (earned?.type !== 'earned' || earned.reward !== value) fail(`has the reward ${value}`);
  }
  return { answered, violations };
}

function isWholeCall({ kind, tokens, isOpen, attributes }: Span): boolean {
  const isUsable = attributes[attributeNames.untrainable] === undefined;
  return kind === 'model_call' && tokens !== undefined && isOpen !== true && isUsable;
}

/** Checks that what had succeeded was not run again under another id. */
function checkRunOnce(rollouts: readonly Rollout[]): readonly string[] {
  const succeeded = rollouts.filter(({ status }) => status === 'succeeded');
  const byPlan = Map.groupBy(succeeded, ({ rolloutId }) => rolloutId.replace(/\.r\d+$/, ''));
  return [...byPlan]
    .filter(([, own]) => own.length > 1)
    .map(([plan, own]) => `${plan} succeeded ${own.length} times: ${own.map(({ rolloutId }) => rolloutId).join(', ')}`);
}

/** Returns the optimizer steps that the final model holds, by their number: of those that were taken more than once, the last. */
function findKept(applied: readonly AppliedStep[]): readonly AppliedStep[] {
  const kept = new Map(applied.map((step) => [step.from, step]));
  return [...kept.values()].toSorted((a, b) => a.from - b.from);
}

/** Checks that every successful rollout of a group with different rewards was trained on, once. */
function checkTrained(
  rollouts: readonly Rollout[],
  entries: readonly RunEntry[],
  kept: readonly AppliedStep[],
): readonly string[] {
  const rewards = new Map(entries.flatMap((each) => (each.type === 'earned' ? [[each.rolloutId, each.reward]] : [])));
  const trained = kept.map(({ passes }) =>
    passes.flatMap(({ samples }) => samples.map((sample) => (sample as { readonly rolloutId?: string }).rolloutId)),
  );
  const trainedOn = new Set(trained.flat());
  const violations: string[] = [];
  const groups = Map.groupBy(
    rollouts.filter(({ status }) => status === 'succeeded'),
    ({ groupId }) => groupId,
  );
  for (const [groupId, own] of groups) {
    const isFlat = new Set(own.map(({ rolloutId }) => rewards.get(rolloutId))).size < 2;
    for (const { rolloutId } of own)
      if (!isFlat && !trainedOn.has(rolloutId)) violations.push(`${rolloutId} of ${groupId} was not trained on`);
  }
  for (const [index, ids] of trained.entries()) {
    const steps = new Set(ids.map((id) => /\.s(\d+)\./.exec(String(id))?.[1]));
    if (steps.size > 1) violations.push(`optimizer step ${index} was taken on the steps ${[...steps].join(' and ')}`);
  }
  return violations;
}

async function checkMetrics({ folder, steps }: RunEvidence): Promise<readonly string[]> {
  const lines = await readLines<{ readonly step: number }>(join(folder, 'run', 'metrics.jsonl'));
  const told = lines.map(({ step }) => step).join(',');
  const expected = Array.from({ length: steps }, (_, index) => index + 1).join(',');
  return told === expected ? [] : [`metrics.jsonl has the steps ${told} instead of ${expected}`];
}

/** Takes the kept steps once more on a fresh model, and compares it with the run's, bit for bit. */
async function checkReplay({ folder }: RunEvidence, kept: readonly AppliedStep[]): Promise<readonly string[]> {
  if (kept.length === 0) return ['no optimizer step was taken, so that nothing about the model was checked'];
  const missing = kept.findIndex(({ from }, index) => from !== index);
  if (missing !== -1) return [`optimizer step ${missing} was never taken`];
  const policy = await new LetterBackend().createPolicy({ name: 'policy', seed: 0 });
  for (const { passes, adam } of kept) {
    for (const { samples, loss } of passes) await policy.forwardBackward(samples, loss);
    await policy.optimStep(adam);
  }
  const replay = join(folder, 'replay');
  await mkdir(replay, { recursive: true });
  await policy.saveState(replay);
  const [replayed, final] = await Promise.all([
    readFile(join(replay, 'state.json'), 'utf8'),
    readFile(join(folder, 'run', 'model', 'state.json'), 'utf8'),
  ]);
  return replayed === final ? [] : [`the final model is not what its ${kept.length} recorded optimizer steps give`];
}
