import type { Command } from 'commander';
import { CheckedStore } from '@agent-lightning/store';
import { withStore } from '../../../stored/open-store.ts';
import { defineCommand, runAs, type Invocation } from '../../define-command.ts';
import { addStoreArgument, findNamedStore, type StoreOptions } from './store-options.ts';

interface DeleteOptions extends StoreOptions {
  readonly run?: string;
  readonly endedBefore?: string;
  readonly yes?: boolean;
}

/** Adds `store delete`. */
export function addDeleteCommand(group: Command): void {
  const command = defineCommand(group, {
    usage: 'delete',
    summary: 'delete the rollouts of a run, or old ones, with attempts, spans and tokens',
    details:
      'A run with a rollout that is queued or running is not deleted, and neither is any rollout that has not ended. What is deleted does not come back: export it first. A store deletes old rollouts by itself where it is opened with keepEndedMs.',
    examples: [
      ['agent-lightning store delete shared.sqlite --run run-1f3a --yes', 'delete one run of a shared store'],
      [
        'agent-lightning store delete shared.sqlite --ended-before 2026-10-01 --yes',
        'delete what ended before October',
      ],
    ],
  })
    .option('--run <id>', 'the run; store query --json shows the runId of each rollout')
    .option('--ended-before <date>', 'a day or a moment, such as 2026-10-01 or 2026-10-01T12:00Z: of every run')
    .option('--yes', 'delete; without it nothing is deleted');
  addStoreArgument(command);
  runAs<DeleteOptions>(command, async (invocation) => {
    const { run, endedBefore } = invocation.options;
    if ((run === undefined) === (endedBefore === undefined))
      return invocation.refuse('give --run or --ended-before, which say what to delete, and not both');
    return run === undefined ? await deleteEnded(invocation, endedBefore as string) : await deleteRun(invocation, run);
  });
}

async function deleteRun(invocation: Invocation<DeleteOptions>, run: string) {
  const { options, refuse } = invocation;
  return await withStore(findNamedStore(invocation), async (store) => {
    const { items } = await store.queryRollouts({ runId: run, limit: 1 });
    if (items.length === 0) return refuse(`the store has no rollout of a run ${run}`);
    if (options.yes !== true) return refuse(`give --yes to delete the rollouts of ${run}, which do not come back`);
    const deleted = await store.deleteRun(run);
    return { text: `${deleted} rollouts of ${run} are deleted`, json: { run, deleted } };
  });
}

async function deleteEnded(invocation: Invocation<DeleteOptions>, endedBefore: string) {
  const { options, refuse } = invocation;
  const endedBeforeMs = Date.parse(endedBefore);
  if (!(endedBeforeMs < Date.now())) return refuse(`--ended-before ${endedBefore} is no day or moment of the past`);
  if (options.yes !== true)
    return refuse(`give --yes to delete the rollouts that ended before ${endedBefore}, which do not come back`);
  return await withStore(findNamedStore(invocation), async (store) => {
    const operations = CheckedStore.operationsOf(store)!;
    let deleted = 0;
    for (let count = 1; count > 0; deleted += count) count = await operations.call('deleteEnded', [endedBeforeMs]);
    return { text: `${deleted} rollouts are deleted`, json: { endedBefore, deleted } };
  });
}
