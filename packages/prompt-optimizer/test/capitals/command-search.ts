import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Algorithm } from '@agent-lightning/core';
import { runCommand } from '@agent-lightning/runner';
import { Trainer, type TrainerOptions } from '@agent-lightning/trainer';
import { capitalTasks, rateCapital, sentences, type CapitalTask } from './capital-agent.ts';
import { startHostedModel } from './wired-agent.ts';

export const ownKey = 'sk-hosted-0123456789abcdef';

/** Adds the first of three sentences that help and that the prompt does not have yet. */
export function addSentence(request: string): Promise<string> {
  const [, current] = /as it is now\n\n([\s\S]*?)\n\n# Example/.exec(request)!;
  const sentence = sentences.slice(0, 3).find((each) => !current!.includes(each)) ?? '';
  return Promise.resolve(`<new_prompt>${current} ${sentence}</new_prompt>`);
}

/** Prepares a search over the prompts of an agent that runs as a command, with its hosted model behind the gateway. */
export async function startCommandSearch(
  command: string,
  args: readonly string[],
  algorithm: Algorithm<object>,
  options: Partial<TrainerOptions<CapitalTask, object>> = {},
) {
  const model = await startHostedModel(capitalTasks);
  const folder = await mkdtemp(join(tmpdir(), 'found-command-'));
  const lines: string[] = [];
  const log = (line: string): void => void lines.push(line);
  const runDirectory = join(folder, 'run');
  const trainer = new Trainer<CapitalTask, object>({
    algorithm,
    ownModels: { openai: { baseUrl: model.baseUrl, apiKey: ownKey } },
    rollout: runCommand({
      command,
      args,
      taskForAgent: ({ country }: CapitalTask) => ({ country }),
      reward: ({ stdout }) => rateCapital(stdout.trim()),
    }),
    logger: { info: log, warn: log, error: log },
    progress: 'none',
    handleSignals: false,
    retry: { maxAttempts: 1 },
    runners: 4,
    runDirectory,
    ...options,
  });
  const close = async (): Promise<void> => {
    model.close();
    await rm(folder, { recursive: true, force: true });
  };
  return { model, lines, runDirectory, trainer, close };
}

/** Returns the path of an agent beside this file. */
export function agentFile(name: string): string {
  return fileURLToPath(new URL(name, import.meta.url));
}
