import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readReward, type LightningStore, type Rollout } from '@agent-lightning/core';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { readEntries, type SiegeEntry, type SiegeRunner } from './siege-ledger.ts';

/** What the siege of one run left. */
export interface ServerEvidence {
  readonly folder: string;
  readonly ledger: string;
  readonly steps: number;
  readonly runId: string;
}

export interface ServerAudit {
  /** Writes that the server had acknowledged: rollouts that were enqueued, spans that were appended, attempts that were completed. */
  readonly acknowledged: number;
  readonly rewards: number;
  readonly earned: Readonly<Record<SiegeRunner, number>>;
  readonly violations: readonly string[];
}

/** Checks that every acknowledged write is there, that every reward counts once, and that the training came to its end. */
export async function auditServer({ folder, ledger, steps, runId }: ServerEvidence): Promise<ServerAudit> {
  const entries = await readEntries(ledger);
  const store = await openSqliteStore({ path: join(folder, 'store.sqlite'), thread: false, watchdogIntervalMs: 0 });
  try {
    const rollouts = await readRollouts(store, runId);
    const kept = await checkAcknowledged(store, entries, rollouts);
    const once = await checkRewards(store, entries, [...rollouts.values()]);
    const damage = await store.checkIntegrity();
    return {
      acknowledged: kept.acknowledged,
      rewards: once.rewards,
      earned: { runner: countEarned(entries, 'runner'), command: countEarned(entries, 'command') },
      violations: [
        ...kept.violations,
        ...once.violations,
        ...(await checkSteps(folder, steps)),
        ...damage.map((problem) => `the data is damaged: ${problem}`),
      ],
    };
  } finally {
    await store.close();
  }
}

function countEarned(entries: readonly SiegeEntry[], runner: SiegeRunner): number {
  return entries.filter((entry) => entry.type === 'earned' && entry.runner === runner).length;
}

async function readRollouts(store: LightningStore, runId: string): Promise<ReadonlyMap<string, Rollout>> {
  const rollouts = new Map<string, Rollout>();
  for (let cursor: string | undefined; ;) {
    const page = await store.queryRollouts({ runId, limit: 1_000, ...(cursor !== undefined && { cursor }) });
    for (const rollout of page.items) rollouts.set(rollout.rolloutId, rollout);
    cursor = page.nextCursor;
    if (cursor === undefined) return rollouts;
  }
}

async function checkAcknowledged(
  store: LightningStore,
  entries: readonly SiegeEntry[],
  rollouts: ReadonlyMap<string, Rollout>,
): Promise<{ readonly acknowledged: number; readonly violations: readonly string[] }> {
  const violations: string[] = [];
  const spans = await store.querySpans({ rolloutIds: [...rollouts.keys()] });
  const known = new Set(spans.map(({ attemptId, spanId }) => `${attemptId} ${spanId}`));
  let acknowledged = 0;
  for (const entry of entries) {
    if (entry.type === 'earned') continue;
    if (entry.type === 'enqueued') {
      acknowledged += entry.rolloutIds.length;
      for (const id of entry.rolloutIds) if (!rollouts.has(id)) violations.push(`the enqueued rollout ${id} is lost`);
    } else if (entry.type === 'appended') {
      acknowledged += entry.spanIds.length;
      for (const id of entry.spanIds)
        if (!known.has(`${entry.attemptId} ${id}`)) violations.push(`span ${id} of ${entry.attemptId} is lost`);
    } else {
      acknowledged += 1;
      const status = rollouts.get(entry.rolloutId)?.status;
      if (status !== 'succeeded') violations.push(`${entry.rolloutId} was completed, and is ${status}`);
    }
  }
  return { acknowledged, violations };
}

/** Checks that each attempt has at most one reward, which is what its agent earned, and that nothing succeeded twice. */
async function checkRewards(
  store: LightningStore,
  entries: readonly SiegeEntry[],
  rollouts: readonly Rollout[],
): Promise<{ readonly rewards: number; readonly violations: readonly string[] }> {
  const violations: string[] = [];
  const earned = new Map(entries.flatMap((each) => (each.type === 'earned' ? [[each.attemptId, each.reward]] : [])));
  const spans = await store.querySpans({ rolloutIds: rollouts.map(({ rolloutId }) => rolloutId), kinds: ['reward'] });
  const byAttempt = Map.groupBy(spans, ({ attemptId }) => attemptId);
  for (const [attemptId, own] of byAttempt) {
    const value = readReward(own[0]!)?.dimensions[0]?.value;
    if (own.length > 1) violations.push(`attempt ${attemptId} has ${own.length} rewards`);
    if (earned.get(attemptId) !== value)
      violations.push(`attempt ${attemptId} has the reward ${value}, and earned ${earned.get(attemptId)}`);
  }
  const succeeded = rollouts.filter(({ status }) => status === 'succeeded');
  for (const { rolloutId } of succeeded) {
    const attempts = await store.queryAttempts(rolloutId);
    const ended = attempts.filter(({ status }) => status === 'succeeded');
    if (ended.length !== 1) violations.push(`${rolloutId} succeeded in ${ended.length} attempts`);
    else if (!byAttempt.has(ended[0]!.attemptId)) violations.push(`${rolloutId} succeeded without its reward`);
  }
  for (const [plan, own] of Map.groupBy(succeeded, ({ rolloutId }) => rolloutId.replace(/\.r\d+$/, '')))
    if (own.length > 1) violations.push(`${plan} succeeded ${own.length} times`);
  return { rewards: spans.length, violations };
}

async function checkSteps(folder: string, steps: number): Promise<readonly string[]> {
  const lines = (await readFile(join(folder, 'run', 'metrics.jsonl'), 'utf8'))
    .split('\n')
    .filter((line) => line !== '');
  const told = lines.map((line) => (JSON.parse(line) as { readonly step: number }).step).join(',');
  const expected = Array.from({ length: steps }, (_, index) => index + 1).join(',');
  return told === expected ? [] : [`metrics.jsonl has the steps ${told} instead of ${expected}`];
}
