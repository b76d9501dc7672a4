/**
 * Calls weighed by how much their agent decides, on agents of the examples, where most calls decide: there `weighNodes` must not cost much. Both ways are
 * trained through the product with the default learning rate.
 */
import type { JsonValue } from '@agent-lightning/core';
import { heldOutOf } from '../agents/held-out.ts';
import { MeasuredAgent, type TrainedCurve } from '../agents/measured-agent.ts';
import { medianOf } from '../agents/best-rate.ts';
import type { LearningCase } from '../learning-case.ts';

const seeds = [0, 1, 2, 3, 4, 5, 6];
const goal = 0.9;
/** `weighNodes` may need this many times the rollouts of `identical`, by the median. */
const largestFactor = 1.15;
const mostRollouts = 1_280;

export const nodesSql: LearningCase = compareOn('sql');
export const nodesCalc: LearningCase = compareOn('calc');

function compareOn(name: keyof typeof heldOutOf): LearningCase {
  return {
    name: `nodes-${name}`,
    summary: `rollouts of the ${name} agent to a held-out reward of ${goal}: weighNodes against identical`,
    run: async () => {
      using agent = new MeasuredAgent(`${name}-agent/measure.ts`);
      const train = async (weighNodes: boolean): Promise<readonly TrainedCurve[]> => {
        const curves: TrainedCurve[] = [];
        for (const seed of seeds)
          curves.push(
            await agent.train({
              seed,
              algorithm: { groupSize: 8, tasksPerStep: 8, learningRate: 'auto', weighNodes },
              goal,
              mostRollouts,
              ...heldOutOf[name],
            }),
          );
        return curves;
      };
      const [identical, weighed] = [await train(false), await train(true)];
      const factor = medianRollouts(weighed) / Math.min(medianRollouts(identical), mostRollouts);
      return {
        ok: factor <= largestFactor,
        figures: {
          seeds,
          goal,
          mostRollouts,
          ...heldOutOf[name],
          factor: Number.isFinite(factor) ? factor : null,
          largestFactor,
          identical: toRollouts(identical),
          weighNodes: toRollouts(weighed),
        },
      };
    },
  };
}

function medianRollouts(curves: readonly TrainedCurve[]): number {
  return medianOf(curves.map(({ rolloutsToGoal }) => rolloutsToGoal));
}

function toRollouts(curves: readonly TrainedCurve[]): JsonValue {
  return curves.map(({ rolloutsToGoal }) => rolloutsToGoal ?? null);
}
