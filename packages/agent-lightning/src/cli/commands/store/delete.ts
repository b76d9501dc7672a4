import type { Command } from 'commander';
import { withStore } from '../../../stored/open-store.ts';
import { defineCommand, runAs } from '../../define-command.ts';
import { addStoreArgument, findNamedStore, type StoreOptions } from './store-options.ts';

interface DeleteOptions extends StoreOptions {
  readonly run: string;
  readonly yes?: boolean;
}

/** Adds `store delete`. */
export function addDeleteCommand(group: Command): void {
  const command = defineCommand(group, {
    usage: 'delete',
    summary: 'delete the rollouts of a run, with attempts, spans and tokens',
    details:
      'A run with a rollout that is queued or running is not deleted. What is deleted does not come back: export it first.',
    examples: [['agent-lightning store delete shared.sqlite --run run-1f3a --yes', 'delete one run of a shared store']],
  })
    .requiredOption('--run <id>', 'the run; store query --json shows the runId of each rollout')
    .option('--yes', 'delete; without it nothing is deleted');
  addStoreArgument(command);
  runAs<DeleteOptions>(command, async (invocation) => {
    const { options, refuse } = invocation;
    return await withStore(findNamedStore(invocation), async (store) => {
      const { items } = await store.queryRollouts({ runId: options.run, limit: 1 });
      if (items.length === 0) return refuse(`the store has no rollout of a run ${options.run}`);
      if (options.yes !== true)
        return refuse(`give --yes to delete the rollouts of ${options.run}, which do not come back`);
      const deleted = await store.deleteRun(options.run);
      return { text: `${deleted} rollouts of ${options.run} are deleted`, json: { run: options.run, deleted } };
    });
  });
}
