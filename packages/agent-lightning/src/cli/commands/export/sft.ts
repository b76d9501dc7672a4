import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { toSftRows, type SftRow } from '@agent-lightning/capture';
import type { LightningStore, Rollout } from '@agent-lightning/core';
import { exportRollouts } from '@agent-lightning/store';
import { withStore } from '../../../stored/open-store.ts';
import { toJsonLine } from '../../../stored/to-json-line.ts';
import { writeLines } from '../../../stored/write-lines.ts';
import { defineCommand, runAs } from '../../define-command.ts';
import { readNumber } from '../../read-number.ts';
import { addStoreArgument, findNamedStore, type StoreOptions } from '../store/store-options.ts';

interface SftOptions extends StoreOptions {
  readonly output: string;
  readonly run?: string;
  readonly mode?: Rollout['mode'];
  readonly minReward?: number;
  readonly agent?: string[];
}

/** Adds `export sft`. */
export function addExportSftCommand(group: Command): void {
  const command = defineCommand(group, {
    usage: 'sft',
    summary: 'write conversations of a store as JSON Lines for supervised fine-tuning',
    details:
      "A line is { messages, tools }, as in OpenAI's files for fine-tuning; tools only where there are some. Only rollouts that succeeded count, each conversation once. Messages are there where model calls went through a gateway, as in training.",
    examples: [
      [
        'agent-lightning export sft runs/a --min-reward 1 --output best.jsonl',
        'the conversations of rollouts that earned at least 1',
      ],
      ['agent-lightning export sft runs/a --agent write --output write.jsonl', 'those of one agent'],
    ],
  })
    .requiredOption('--output <file>', 'the file to write; it appears whole or not at all')
    .option('--min-reward <number>', 'leave out rollouts with a lower reward, or none', readNumber)
    .option('--agent <names...>', 'only conversations of these agents')
    .option('--run <id>', 'only rollouts of this run')
    .addOption(new Option('--mode <mode>', 'only rollouts of this mode').choices(['train', 'val', 'test']));
  addStoreArgument(command);
  runAs<SftOptions>(command, async (invocation) => {
    const { options, terminal, logger } = invocation;
    const output = resolve(terminal.directory, options.output);
    const leftOut = { failed: 0, reward: 0, noConversation: 0 };
    let problems = 0;
    const rows = await withStore(findNamedStore(invocation), async (store) =>
      writeLines(
        output,
        readLines(store, options, (found) => {
          leftOut.failed += found.leftOut.failed;
          leftOut.reward += found.leftOut.reward;
          leftOut.noConversation += found.leftOut.noConversation;
          problems += found.problems.length;
        }),
      ),
    );
    if (rows === 0) logger.warn('no conversation was found; look at what was left out');
    return {
      text: `${rows} conversations are in ${output}; left out: ${leftOut.failed} rollouts that did not succeed, ${leftOut.reward} for their reward, ${leftOut.noConversation} without a conversation; ${problems} model calls had no readable messages`,
      json: { output, rows, leftOut, problems },
    };
  });
}

async function* readLines(
  store: LightningStore,
  { run, mode, minReward, agent }: SftOptions,
  count: (found: ReturnType<typeof toSftRows>) => void,
): AsyncGenerator<string, void, undefined> {
  const filter = { ...(run !== undefined && { runId: run }), ...(mode !== undefined && { modes: [mode] }) };
  const selection = {
    ...(minReward !== undefined && { minReward }),
    ...(agent !== undefined && { agentMatch: agent }),
  };
  for await (const rollout of exportRollouts(store, filter)) {
    const found = toSftRows([rollout], selection);
    count(found);
    for (const row of found.rows) yield toJsonLine(toExample(row));
  }
}

function toExample({ messages, tools }: SftRow): object {
  return tools === null ? { messages } : { messages, tools };
}
