/**
 * Automatic intermediate rewarding on agents whose tools fail when a call is wrong, with its control: each rollout gets
 * as many failed tools as one of the step that chance picks. Every way has the same learning rates to choose from, and the best by the median counts.
 */
import type { JsonValue, LightningRLOptions } from '@agent-lightning/core';
import { searchRate, toJson } from '../agents/best-rate.ts';
import { and, repair, type SyntheticAgent } from '../agents/synthetic-agent.ts';
import type { LearningCase } from '../learning-case.ts';

const seeds = [0, 1, 2, 3, 4, 5, 6];
const rates = [0.01, 0.005, 0.02];
const target = 0.9;
const mostRollouts = 16_000;
/** The share of the rollouts without it that `additive` may need; with failures given by chance it must not get as far. */
const largestFactor = 0.8;

interface Way {
  readonly options: Partial<LightningRLOptions>;
  readonly shuffleSignals?: boolean;
}

const ways = {
  identical: { options: {} },
  additive: { options: { intermediate: { kind: 'additive' } } },
  'additive, shuffled': { options: { intermediate: { kind: 'additive' } }, shuffleSignals: true },
  perStep: { options: { credit: { perStep: 1 } } },
  'perStep, additive': { options: { credit: { perStep: 1 }, intermediate: { kind: 'additive' } } },
  'perStep, potential': { options: { credit: { perStep: 1 }, intermediate: { kind: 'potential' } } },
} satisfies Readonly<Record<string, Way>>;

export const additive: LearningCase = {
  name: 'additive',
  summary: `rollouts to ${target} of agents whose tools fail when a call is wrong, with and without intermediate rewards`,
  run: async () => {
    const results: (Measured & { readonly agent: SyntheticAgent })[] = [];
    for (const agent of [and, repair]) results.push({ agent, ...(await measureWays(agent)) });
    return {
      ok: results.every(({ factor, controlFactor }) => factor <= largestFactor && controlFactor > largestFactor),
      figures: {
        seeds,
        target,
        mostRollouts,
        largestFactor,
        ...Object.fromEntries(
          results.map(({ agent, factor, controlFactor, runs }) => [
            agent.name,
            { factor: finite(factor), controlFactor: finite(controlFactor), ...runs },
          ]),
        ),
      },
    };
  },
};

interface Measured {
  /** The median with `additive` over that without; Infinity where `additive` did not arrive. */
  readonly factor: number;
  /** The same with failed tools given by chance. */
  readonly controlFactor: number;
  readonly runs: Readonly<Record<string, JsonValue>>;
}

async function measureWays(agent: SyntheticAgent): Promise<Measured> {
  const best = new Map<string, number>();
  const runs: Record<string, JsonValue> = {};
  for (const [name, way] of Object.entries<Way>(ways)) {
    const found = await searchRate(agent, seeds, rates, { target, mostRollouts, ...way });
    best.set(name, found[0].median);
    runs[name] = toJson(found);
  }
  // Where `identical` did not arrive, it needs more than the limit.
  const plain = Math.min(best.get('identical')!, mostRollouts);
  return { factor: best.get('additive')! / plain, controlFactor: best.get('additive, shuffled')! / plain, runs };
}

/** Returns a number as JSON can hold it. */
function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
