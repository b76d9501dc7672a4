import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { attributeNames } from '@agent-lightning/core';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { expect, it } from 'vitest';

import { trainingCases, validationCases } from './cases.ts';
import { trainWriter } from './train.ts';

it('trains one agent of the workflow, and leaves the others on the starting model', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'support-workflow-'));
  const runDirectory = join(folder, 'run');
  const quiet = () => undefined;
  try {
    const result = await trainWriter({
      tasksPerStep: 4,
      trainerOptions: {
        seed: 5,
        runDirectory,
        progress: 'none',
        logger: { info: quiet, warn: quiet, error: quiet },
      },
      fitOptions: { train: trainingCases(5, 40), validation: validationCases(5, 24), steps: 2, verdict: false },
    });
    expect(result).toMatchObject({ steps: 2, stopReason: 'completed' });
    expect(result.rollouts).toBeGreaterThanOrEqual(24 + 2 * 4 * 8 + 24); // and more where a whole group failed
    expect(result.transitions).toBeGreaterThanOrEqual(2 * 4 * 8); // every training rollout has a draft at least
    expect(result.validationBefore).toBeLessThan(0.6);

    const store = await openSqliteStore({ path: join(runDirectory, 'store.sqlite') });
    const { items } = await store.queryRollouts({ statuses: ['succeeded'], limit: 10_000 });
    const spans = await store.querySpans({ rolloutIds: items.map(({ rolloutId }) => rolloutId) });
    await store.close();
    const callers = (source: string): Set<unknown> =>
      new Set(
        spans
          .filter(({ kind, attributes }) => kind === 'model_call' && attributes[attributeNames.source] === source)
          .map(({ attributes }) => (attributes[attributeNames.agentNames] as string[])[0]),
      );
    expect(callers('gateway')).toEqual(new Set(['writer']));
    expect(callers('framework')).toEqual(new Set(['triage', 'writer', 'checker']));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
