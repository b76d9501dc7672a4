import type { TrainerOptions } from '@agent-lightning/trainer';
import { describe, expect, it } from 'vitest';
import { createSearch as createApo } from './capitals/apo-search.ts';
import {
  answerCapital,
  capitalTasks,
  rateCapital,
  scriptCritique,
  scriptReflection,
  type CapitalTask,
} from './capitals/capital-agent.ts';
import { createSearch as createGepa } from './capitals/gepa-search.ts';

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const fit = { train: capitalTasks, validation: capitalTasks.slice(0, 4) };

type Control = Pick<TrainerOptions<CapitalTask, object>, 'control' | 'seed'>;

/** Searches by both algorithms, and returns the gain on the tasks that they did not see. */
const searches: Readonly<Record<string, (options: Control) => Promise<number>>> = {
  gepa: async (options) => {
    const { trainer } = await createGepa(
      { reflection: scriptReflection(options.seed!) },
      { ...options, checkpointEvery: 99 },
    );
    const result = await trainer.fit({ ...fit, steps: 15 });
    return result.validationAfter! - result.validationBefore!;
  },
  apo: async (options) => {
    const { trainer } = await createApo(
      { reflection: scriptCritique(options.seed!) },
      { ...options, checkpointEvery: 99 },
    );
    const result = await trainer.fit({ ...fit, steps: 4 });
    return result.validationAfter! - result.validationBefore!;
  },
};

describe.each(Object.entries(searches))('a control run of %s', (_, search) => {
  it('finds nothing, where the same search finds something', async () => {
    const seeds = [0, 1, 2, 3];
    const controls: number[] = [];
    for (const seed of seeds) controls.push(await search({ control: 'shuffled', seed }));
    expect(mean(controls)).toBeLessThanOrEqual(0.08);
    expect(await search({ seed: 0 })).toBeGreaterThanOrEqual(0.15);
  });
});

it('a control run of gepa goes on after an interruption with the same rewards, and shows no feedback', async () => {
  const requests: string[] = [];
  const run = async (stopAfter: number | undefined): Promise<readonly unknown[]> => {
    const controller = new AbortController();
    let ended = 0;
    const options = { control: 'shuffled', runners: 1, seed: 2 } as const;
    const reflection = scriptReflection(2);
    const algorithm = {
      reflection: async (request: string) => {
        requests.push(request);
        return await reflection(request);
      },
    };
    const first = await createGepa(algorithm, {
      ...options,
      signal: controller.signal,
      hooks: { onRolloutEnd: () => void (++ended === stopAfter && controller.abort()) },
    });
    await first.trainer.fit({ train: capitalTasks, steps: 5 });
    if (stopAfter === undefined) return await first.metrics();
    const { runDirectory, store } = first;
    const second = await createGepa(algorithm, { ...options, runDirectory, store });
    await second.trainer.fit({ train: capitalTasks, steps: 5, resume: true });
    return await second.metrics();
  };
  const read = (lines: readonly unknown[]): readonly unknown[] =>
    (lines as { noise: number; proposals: unknown; bestScore: number }[]).map(({ noise, proposals, bestScore }) => ({
      noise,
      proposals,
      bestScore,
    }));
  const whole = read(await run(undefined));
  expect(read(await run(27))).toEqual(whole);
  expect(requests.length).toBeGreaterThan(3);
  for (const request of requests) expect(request).not.toContain('## Feedback');
  expect(rateCapital(answerCapital(capitalTasks[0]!)).feedback).not.toBe('');
});
