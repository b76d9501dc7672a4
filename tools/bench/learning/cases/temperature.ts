/**
 * Trains the SQL agent at several sampling temperatures by one fixed setting. What was sampled must be scored as it was sampled: before the
 * first update the loss clips nothing, and no temperature learns worse than 1 by more than what seeds do.
 */
import type { JsonValue } from '@agent-lightning/core';
import { MeasuredAgent, type TrainedCurve } from '../agents/measured-agent.ts';
import type { LearningCase } from '../learning-case.ts';

const temperatures = [0.5, 0.7, 1.3];
const seeds = [0, 1, 2, 3];
/** The 97.5 % point of Student's t with as many degrees of freedom as seeds, less one. */
const studentT = 3.182;
const setting = { groupSize: 8, tasksPerStep: 8, learningRate: 4e-4 } as const;
const mostRollouts = 640;
const heldOutTasks = 192;
/** KL(sampler ‖ trainer) in nats that float32 may leave of 0. */
const largestDrift = 1e-6;

/** The runs at one temperature. */
interface Runs {
  readonly temperature: number;
  readonly curves: readonly TrainedCurve[];
}

export const temperature: LearningCase = {
  name: 'temperature',
  summary: `the sql agent at temperatures ${temperatures.join(', ')}: clipped tokens of the first step, and held-out reward beside that of 1`,
  run: async () => {
    using agent = new MeasuredAgent('sql-agent/measure.ts');
    const plain = await trainAt(agent, 1);
    const others: Runs[] = [];
    for (const chosen of temperatures) others.push(await trainAt(agent, chosen));
    const interval = intervalOf(plain.curves.map(heldOutOf));
    const isOneDistribution = [plain, ...others].every(({ curves }) =>
      curves.every(({ firstStep }) => firstStep?.clipFraction === 0 && firstStep.klSamplerTrainer <= largestDrift),
    );
    return {
      ok: isOneDistribution && others.every(({ curves }) => meanOf(curves.map(heldOutOf)) >= interval.low),
      figures: {
        ...setting,
        rollouts: mostRollouts,
        seeds,
        clipFractionLimit: 0,
        largestDrift,
        lowestHeldOut: rounded(interval.low),
        intervalOfOne: [rounded(interval.low), rounded(interval.high)],
        runs: [plain, ...others].map(toJson),
      },
    };
  },
};

async function trainAt(agent: MeasuredAgent, chosen: number): Promise<Runs> {
  const algorithm = { ...setting, temperature: chosen };
  const request = { algorithm, goal: null, mostRollouts, heldOutTasks, validationEvery: 5 };
  const curves: TrainedCurve[] = [];
  for (const seed of seeds) curves.push(await agent.train({ seed, ...request }));
  return { temperature: chosen, curves };
}

/** Returns the last held-out reward of a run; 0 where an error ended it. */
function heldOutOf({ points, ended }: TrainedCurve): number {
  return ended === undefined ? (points.at(-1)?.[1] ?? 0) : 0;
}

/** Returns the 95 % interval of the mean over seeds. */
function intervalOf(values: readonly number[]): { readonly low: number; readonly high: number } {
  const mean = meanOf(values);
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  const half = studentT * Math.sqrt(variance / values.length);
  return { low: mean - half, high: mean + half };
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function toJson({ temperature: chosen, curves }: Runs): JsonValue {
  return {
    temperature: chosen,
    heldOut: rounded(meanOf(curves.map(heldOutOf))),
    heldOutBySeed: curves.map((curve) => rounded(heldOutOf(curve))),
    firstSteps: curves.map(({ firstStep }) => firstStep ?? null),
    ended: curves.flatMap(({ ended }) => ended ?? []),
  };
}

function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
