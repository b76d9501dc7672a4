/**
 * The update that sizes itself against fixed learning rates: training rollouts until the held-out reward of two agents reaches 0.9, and what
 * it does when rewards are noise. A fixed setting is trained as far as the best one before it needed by its median, and no further seed when two
 * have not arrived then: it is slower.
 */
import type { JsonValue } from '@agent-lightning/core';
import { heldOutOf } from '../agents/held-out.ts';
import { MeasuredAgent, type TrainedCurve } from '../agents/measured-agent.ts';
import type { CaseResult, LearningCase } from '../learning-case.ts';

const seeds = [0, 1, 2, 3];
const batch = { groupSize: 8, tasksPerStep: 8 } as const;
const goal = 0.9;
/** The one that was quickest so far comes first, so that the others are trained as far as it needs; the order changes nothing else. */
const fixedSettings = [4e-4, 1.5e-4, 4e-3].flatMap((learningRate) =>
  [4, 1].map((passes) => ({ learningRate, passes })),
);
type FixedSetting = (typeof fixedSettings)[number];
/** So many runs of a setting that did not arrive decide that its median is not within the limit. */
const decisiveFailures = seeds.length / 2;
/** `auto` may need this many times the rollouts of the best fixed setting, by the median. */
const largestFactor = 1.7;
/** Training rollouts after which a run of `auto` has failed. */
const mostRollouts = 1_280;
/** Held-out tasks of each validation of the control, which looks for small changes. */
const controlTasks = 320;
const controlSteps = 12;
/** The most by which a control may rise above its start. */
const largestRise = 0.08;

export const autoSql: LearningCase = compareRates('sql');
export const autoCalc: LearningCase = compareRates('calc');

export const autoControl: LearningCase = {
  name: 'auto-control',
  summary: 'what the learning rate auto does to the sql agent when rewards are shuffled',
  run: async () => {
    using agent = new MeasuredAgent('sql-agent/measure.ts');
    const curves: TrainedCurve[] = [];
    for (const seed of seeds)
      curves.push(
        await agent.train({
          seed,
          algorithm: { ...batch, learningRate: 'auto' },
          goal: null,
          mostRollouts: controlSteps * batch.groupSize * batch.tasksPerStep,
          heldOutTasks: controlTasks,
          validationEvery: 2,
          control: 'shuffled',
        }),
      );
    const rises = curves.map(riseOf);
    return {
      ok: rises.every((rise) => rise <= largestRise),
      figures: { rises: rises.map((rise) => finite(rounded(rise))), largestRise, curves: curves.map(toJson) },
    };
  },
};

/** Returns the case that compares `auto` with every fixed setting on one agent. */
function compareRates(name: keyof typeof heldOutOf): LearningCase {
  return {
    name: `auto-${name}`,
    summary: `rollouts of the ${name} agent to a held-out reward of ${goal}: the learning rate auto against six fixed settings`,
    run: async () => await measureRates(name),
  };
}

async function measureRates(name: keyof typeof heldOutOf): Promise<CaseResult> {
  using agent = new MeasuredAgent(`${name}-agent/measure.ts`);
  const train = (algorithm: object, seed: number, limit: number): Promise<TrainedCurve> =>
    agent.train({ seed, algorithm: { ...batch, ...algorithm }, goal, mostRollouts: limit, ...heldOutOf[name] });
  const auto: TrainedCurve[] = [];
  for (const seed of seeds) auto.push(await train({ learningRate: 'auto' }, seed, mostRollouts));
  const median = medianOf(auto);
  // Where no setting arrived within the limit, the best of them needs at least as many rollouts.
  let best = Math.min(median, mostRollouts);
  const fixed: { readonly setting: FixedSetting; readonly limit: number; readonly curves: readonly TrainedCurve[] }[] =
    [];
  for (const setting of fixedSettings) {
    const curves: TrainedCurve[] = [];
    for (const seed of seeds)
      if (curves.filter(hasFailed).length < decisiveFailures) curves.push(await train(setting, seed, best));
    fixed.push({ setting, limit: best, curves });
    best = Math.min(best, medianOf(curves));
  }
  return {
    ok: auto.every(({ rolloutsToGoal }) => rolloutsToGoal !== undefined) && median <= largestFactor * best,
    figures: {
      goal,
      ...heldOutOf[name],
      autoRollouts: auto.map(({ rolloutsToGoal }) => rolloutsToGoal ?? null),
      autoMedian: finite(median),
      bestFixedMedian: best,
      factor: finite(rounded(median / best)),
      largestFactor,
      fixed: fixed.map(({ setting, limit, curves }) => ({
        ...setting,
        limit,
        median: finite(medianOf(curves)),
        rollouts: curves.map(({ rolloutsToGoal }) => rolloutsToGoal ?? null),
        curves: curves.map(toJson),
      })),
      autoCurves: auto.map(toJson),
    },
  };
}

function hasFailed({ rolloutsToGoal }: TrainedCurve): boolean {
  return rolloutsToGoal === undefined;
}

/** Returns the median of the rollouts to the goal; Infinity where half of all seeds did not reach it. */
function medianOf(curves: readonly TrainedCurve[]): number {
  if (curves.filter(hasFailed).length >= decisiveFailures) return Infinity;
  const sorted = curves.map(({ rolloutsToGoal }) => rolloutsToGoal ?? Infinity).toSorted((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)]! + sorted[Math.ceil((sorted.length - 1) / 2)]!) / 2;
}

/** Returns by how much the held-out reward ever rose above its start; Infinity where the run broke off, so that nobody can tell. */
function riseOf({ before = -Infinity, points }: TrainedCurve): number {
  return Math.max(...points.map(([, reward]) => reward)) - before;
}

function toJson({ seed, before, points, learningRate, ended }: TrainedCurve): JsonValue {
  return {
    seed,
    before: before ?? null,
    points: points.map(([rollouts, reward]) => [rollouts, rounded(reward)]),
    learningRate: learningRate ?? null,
    ...(ended === undefined ? {} : { ended }),
  };
}

function rounded(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}

/** Returns a number as JSON can hold it. */
function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
