import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryStore } from '@agent-lightning/store';
import { Trainer, type StepMetrics, type TrainerOptions } from '@agent-lightning/trainer';
import { afterEach } from 'vitest';
import { apo, type ApoMetrics, type ApoOptions } from '../../src/index.ts';
import { answerCapital, answerPrompt, rateCapital, scriptCritique, type CapitalTask } from './capital-agent.ts';

type Line = StepMetrics & ApoMetrics;

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

/** A search by APO on the capital task. */
export interface Search {
  readonly trainer: Trainer<CapitalTask, ApoMetrics>;
  readonly lines: string[];
  readonly runDirectory: string;
  readonly store: MemoryStore;
  readonly ran: {
    readonly purpose: unknown;
    readonly prompts: string;
    readonly task: unknown;
    readonly step: unknown;
  }[];
  metrics(): Promise<readonly Line[]>;
}

/** Creates a search with quiet, small and quick defaults. */
export async function createSearch(
  algorithm: Partial<ApoOptions> = {},
  options: Partial<TrainerOptions<CapitalTask, ApoMetrics>> & { readonly store?: MemoryStore } = {},
): Promise<Search> {
  const folder = await mkdtemp(join(tmpdir(), 'apo-'));
  folders.push(folder);
  const runDirectory = options.runDirectory ?? join(folder, 'run');
  const lines: string[] = [];
  const ran: Search['ran'] = [];
  const log = (line: string): void => void lines.push(line);
  const store = options.store ?? new MemoryStore();
  const trainer = new Trainer<CapitalTask, ApoMetrics>({
    algorithm: apo({
      prompts: [answerPrompt],
      reflection: scriptCritique(1),
      beam: 2,
      branches: 2,
      minibatch: 2,
      beamTasks: 4,
      ...algorithm,
    }),
    rollout: (task, { rollout }) => {
      const { purpose, task: index, step } = rollout.metadata;
      ran.push({ purpose, task: index, step, prompts: answerPrompt.render({ country: '{{country}}' }) });
      return rateCapital(answerCapital(task));
    },
    logger: { info: log, warn: log, error: log },
    progress: 'none',
    handleSignals: false,
    retry: { maxAttempts: 1 },
    checkpointEvery: 10,
    ...options,
    store,
    runDirectory,
  });
  const metrics = async (): Promise<readonly Line[]> =>
    (await readFile(join(runDirectory, 'metrics.jsonl'), 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Line);
  return { trainer, lines, runDirectory, store, ran, metrics };
}

/** Counts the rollouts that the search itself ran. */
export function countSearch({ ran }: Search): number {
  return ran.filter(({ purpose }) => purpose !== undefined).length;
}
