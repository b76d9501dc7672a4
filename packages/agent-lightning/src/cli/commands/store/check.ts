import type { Command } from 'commander';
import { withStore } from '../../../stored/open-store.ts';
import { defineCommand, runAs } from '../../define-command.ts';
import { exitCodes } from '../../exit-codes.ts';
import { addStoreArgument, findNamedStore, type StoreOptions } from './store-options.ts';

/** Adds `store check`. */
export function addCheckCommand(group: Command): void {
  const command = defineCommand(group, {
    usage: 'check',
    summary: 'read a whole store and say what is damaged',
    details: 'Ends with exit code 3 when it finds something.',
    examples: [['agent-lightning store check runs/a', 'check the store of a run']],
  });
  addStoreArgument(command);
  runAs<StoreOptions>(command, async (invocation) => {
    const { problems, statistics } = await withStore(findNamedStore(invocation), async (store) => ({
      problems: await store.checkIntegrity(),
      statistics: await store.statistics(),
    }));
    const rollouts = Object.values(statistics.rollouts).reduce((sum, count) => sum + count, 0);
    const sound = `sound: ${rollouts} rollouts, ${statistics.spans} spans, ${statistics.tokens} tokens`;
    return {
      text: problems.length === 0 ? sound : problems.map((problem) => `damaged: ${problem}`).join('\n'),
      json: { ok: problems.length === 0, problems, statistics },
      exitCode: problems.length === 0 ? exitCodes.ok : exitCodes.no,
    };
  });
}
