import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MemoryStore } from '@agent-lightning/store';
import { Trainer, type StepMetrics, type TrainerOptions } from '@agent-lightning/trainer';
import { afterEach } from 'vitest';
import { gepa, type GepaMetrics, type GepaOptions } from '../../src/index.ts';
import { answerCapital, answerPrompt, rateCapital, scriptReflection, type CapitalTask } from './capital-agent.ts';

type Line = StepMetrics & GepaMetrics;
type Options = Partial<TrainerOptions<CapitalTask, GepaMetrics>>;

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

/** A search by GEPA on the capital task. */
export interface Search {
  readonly trainer: Trainer<CapitalTask, GepaMetrics>;
  readonly lines: string[];
  readonly runDirectory: string;
  readonly store: MemoryStore;
  /** The prompt of each rollout that the agent was asked for, with its purpose. */
  readonly ran: { readonly purpose: unknown; readonly prompts: string; readonly step: unknown }[];
  metrics(): Promise<readonly Line[]>;
}

/** Creates a search with quiet and quick defaults. */
export async function createSearch(algorithm: Partial<GepaOptions> = {}, options: Options = {}): Promise<Search> {
  const folder = await mkdtemp(join(tmpdir(), 'gepa-'));
  folders.push(folder);
  const runDirectory = options.runDirectory ?? join(folder, 'run');
  const lines: string[] = [];
  const ran: Search['ran'] = [];
  const log = (line: string): void => void lines.push(line);
  const store = new MemoryStore();
  const trainer = new Trainer<CapitalTask, GepaMetrics>({
    algorithm: gepa({ prompts: [answerPrompt], reflection: scriptReflection(1), ...algorithm }),
    rollout: (task, { rollout }) => {
      const { purpose, step } = rollout.metadata;
      ran.push({ purpose, step, prompts: answerPrompt.render({ country: '{{country}}' }) });
      return rateCapital(answerCapital(task));
    },
    logger: { info: log, warn: log, error: log },
    progress: 'none',
    handleSignals: false,
    store,
    retry: { maxAttempts: 1 },
    ...options,
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
export const searchRollouts = ({ ran }: Search): number => ran.filter(({ purpose }) => purpose !== undefined).length;
