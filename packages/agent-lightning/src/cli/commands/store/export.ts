import { resolve } from 'node:path';
import type { Command } from 'commander';
import { writeLines } from '@agent-lightning/platform';
import { exportRollouts } from '@agent-lightning/store';
import { withStore } from '../../../stored/open-store.ts';
import { toJsonLine } from '../../../stored/to-json-line.ts';
import { defineCommand, runAs } from '../../define-command.ts';
import { addStoreArgument, findNamedStore, type StoreOptions } from './store-options.ts';

interface ExportOptions extends StoreOptions {
  readonly run?: string;
  readonly output: string;
}

/** Adds `store export`. */
export function addStoreExportCommand(group: Command): void {
  const command = defineCommand(group, {
    usage: 'export',
    summary: 'write rollouts with attempts, spans and tokens as JSON Lines',
    details: 'A line is one rollout: { rollout, attempts, spans }. Export a run before you delete it.',
    examples: [['agent-lightning store export runs/a --output a.jsonl', 'everything that a run left']],
  })
    .requiredOption('--output <file>', 'the file to write; it appears whole or not at all')
    .option('--run <id>', 'only rollouts of this run');
  addStoreArgument(command);
  runAs<ExportOptions>(command, async (invocation) => {
    const { options, terminal } = invocation;
    const output = resolve(terminal.directory, options.output);
    const rollouts = await withStore(findNamedStore(invocation), async (store) => {
      const read = exportRollouts(store, options.run === undefined ? {} : { runId: options.run });
      return await writeLines(output, toLines(read));
    });
    return { text: `${rollouts} rollouts are in ${output}`, json: { output, rollouts } };
  });
}

async function* toLines(values: AsyncIterable<unknown>): AsyncGenerator<string, void, undefined> {
  for await (const value of values) yield toJsonLine(value);
}
