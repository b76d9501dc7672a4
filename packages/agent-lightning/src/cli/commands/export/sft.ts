import { resolve } from 'node:path';
import { Option, type Command } from 'commander';
import { exportSft, type ExportSftOptions } from '@agent-lightning/capture';
import type { Rollout } from '@agent-lightning/core';
import { marks, readNotes, type Mark } from '@agent-lightning/dashboard';
import { exportRollouts } from '@agent-lightning/store';
import { isRunDirectory } from '../../../promoted/run-prompts.ts';
import { withStore } from '../../../stored/open-store.ts';
import { defineCommand, runAs } from '../../define-command.ts';
import { readNumber } from '../../read-number.ts';
import { addStoreArgument, findNamedStore, type StoreOptions } from '../store/store-options.ts';

interface SftOptions extends StoreOptions {
  readonly output: string;
  readonly run?: string;
  readonly mode?: Rollout['mode'];
  readonly minReward?: number;
  readonly truncated?: ExportSftOptions['truncated'];
  readonly agent?: string[];
  readonly format?: ExportSftOptions['format'];
  readonly marked?: Mark;
}

/** Adds `export sft`. */
export function addExportSftCommand(group: Command): void {
  const command = defineCommand(group, {
    usage: 'sft',
    summary: 'write conversations of a store as JSON Lines for supervised fine-tuning',
    details:
      "A line is { messages, tools }, as in OpenAI's files for fine-tuning or for TRL's SFTTrainer; tools only where there are some. Only rollouts that succeeded count, each conversation once. Messages are there where model calls went through a gateway, as in training.",
    examples: [
      [
        'agent-lightning export sft runs/a --min-reward 1 --output best.jsonl',
        'the conversations of rollouts that earned at least 1',
      ],
      ['agent-lightning export sft runs/a --agent write --output write.jsonl', 'those of one agent'],
      ['agent-lightning export sft runs/a --marked good --output good.jsonl', 'those that you marked in the dashboard'],
    ],
  })
    .requiredOption('--output <file>', 'the file to write; it appears whole or not at all')
    .addOption(
      new Option(
        '--format <reader>',
        'what reads the file: openai (arguments as text, weight 0 for what the agent did not say) or trl (arguments as objects)',
      ).choices(['openai', 'trl']),
    )
    .option('--min-reward <number>', 'leave out rollouts with a lower reward, or none', readNumber)
    .addOption(
      new Option(
        '--truncated <what>',
        'what becomes of rollouts with a reply that the token limit cut off: leave-out, the default, or keep',
      ).choices(['leave-out', 'keep']),
    )
    .option('--agent <names...>', 'only conversations of these agents')
    .addOption(
      new Option('--marked <mark>', 'only rollouts of a run directory with this mark in your notes').choices(marks),
    )
    .option('--run <id>', 'only rollouts of this run')
    .addOption(new Option('--mode <mode>', 'only rollouts of this mode').choices(['train', 'val', 'test']));
  addStoreArgument(command);
  runAs<SftOptions>(command, async (invocation) => {
    const { options, terminal, logger, refuse } = invocation;
    const output = resolve(terminal.directory, options.output);
    const { run, mode, minReward, truncated, agent, format, marked } = options;
    const directory = resolve(terminal.directory, invocation.arguments[0]!);
    if (marked !== undefined && !isRunDirectory(directory))
      return refuse(`--marked needs a run directory, which has the notes; ${directory} is none`);
    const rolloutIds = marked === undefined ? undefined : await findMarked(directory, marked);
    const filter = {
      ...(run !== undefined && { runId: run }),
      ...(mode !== undefined && { modes: [mode] }),
      ...(rolloutIds !== undefined && { rolloutIds }),
    };
    const { rows, leftOut, problems } = await withStore(findNamedStore(invocation), (store) =>
      exportSft(exportRollouts(store, filter), {
        file: output,
        ...(format !== undefined && { format }),
        ...(minReward !== undefined && { minReward }),
        ...(truncated !== undefined && { truncated }),
        ...(agent !== undefined && { agentMatch: agent }),
      }),
    );
    if (rows === 0) logger.warn('no conversation was found; look at what was left out');
    return {
      text: `${rows} conversations are in ${output}; left out: ${leftOut.failed} rollouts that did not succeed, ${leftOut.reward} for their reward, ${leftOut.truncated} with a reply that was cut off, ${leftOut.noConversation} without a conversation; ${problems} model calls had no readable messages`,
      json: { output, rows, leftOut, problems },
    };
  });
}

async function findMarked(directory: string, marked: Mark): Promise<readonly string[]> {
  return (await readNotes(directory)).filter(({ mark }) => mark === marked).map(({ rolloutId }) => rolloutId);
}
