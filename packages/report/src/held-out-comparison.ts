import type { Episode, JsonValue, PlannedRollout } from '@agent-lightning/core';
import { planValidation } from '@agent-lightning/run';
import type { ReportContext } from './report-data.ts';
import type { ViewToken } from './token-view.ts';

/** One held-out task as the agent did it before and after training. */
export interface HeldOutComparison {
  readonly task: JsonValue;
  readonly before: ComparedRollout;
  readonly after: ComparedRollout;
}

export interface ComparedRollout {
  readonly reward: number | undefined;
  readonly failure: string | undefined;
  readonly calls: readonly { readonly agentName: string; readonly tokens: readonly ViewToken[] }[];
}

const shownTasks = 4;

/** Compares a few tasks of the first and the last validation: first those whose reward rose, then those where it fell. */
export async function compareHeldOut(context: ReportContext, lastStep: number): Promise<readonly HeldOutComparison[]> {
  const { validation, collector, resourcesId } = context;
  if (lastStep === 0 || validation.length === 0) return [];
  const indexes = [...validation.keys()];
  const before = await readRewards(context, planValidation(0, validation, indexes), indexes);
  const after = await readRewards(context, planValidation(lastStep, validation, indexes, resourcesId), indexes);
  const both = indexes.filter((index) => before.has(index) && after.has(index));
  const change = (index: number): number => (after.get(index)!.reward ?? 0) - (before.get(index)!.reward ?? 0);
  const rose = both.filter((index) => change(index) > 0);
  const others = both.filter((index) => change(index) <= 0).toSorted((a, b) => change(a) - change(b));
  const shown = [...rose.slice(0, others.length === 0 ? shownTasks : shownTasks - 1), ...others].slice(0, shownTasks);
  const chosen = shown.flatMap((index) => [before.get(index)!.rollout, after.get(index)!.rollout]);
  const episodes = new Map(
    (await collector.readEpisodes(chosen)).map((episode) => [episode.rollout.rolloutId, episode]),
  );
  const comparisons: HeldOutComparison[] = [];
  for (const index of shown) {
    const [first, last] = [
      episodes.get(before.get(index)!.rollout.rolloutId)!,
      episodes.get(after.get(index)!.rollout.rolloutId)!,
    ];
    comparisons.push({
      task: first.rollout.input,
      before: await toCompared(context, first),
      after: await toCompared(context, last),
    });
  }
  return comparisons;
}

async function readRewards(
  context: ReportContext,
  planned: readonly PlannedRollout[],
  indexes: readonly number[],
): Promise<ReadonlyMap<number, Episode>> {
  const found = await context.collector.findFinished(planned);
  const rollouts = [...found.values()];
  const episodes = new Map(
    (await context.collector.readEpisodes(rollouts, { kinds: ['reward'] })).map((episode) => [
      episode.rollout.rolloutId,
      episode,
    ]),
  );
  return new Map(
    planned.flatMap(({ key }, position) => {
      const rollout = found.get(key);
      return rollout === undefined ? [] : [[indexes[position]!, episodes.get(rollout.rolloutId)!] as const];
    }),
  );
}

async function toCompared(context: ReportContext, episode: Episode): Promise<ComparedRollout> {
  const calls: { readonly agentName: string; readonly tokens: readonly ViewToken[] }[] = [];
  for (const { agentName, responseIds, logprobs } of episode.transitions) {
    const texts = await context.tokenTexts?.(responseIds);
    calls.push({
      agentName,
      tokens: Array.from(responseIds, (token, t) => ({
        text: texts?.[t] ?? `${token} `,
        logprob: logprobs[t]!,
        advantage: undefined,
      })),
    });
  }
  return { reward: episode.reward, failure: episode.rollout.failure?.message, calls };
}
