import type { AlgorithmHost, Episode, PlannedRollout } from '@agent-lightning/core';

/** The purpose of a rollout in a step. */
export type Purpose = 'seed' | 'repeat' | 'parent' | 'child' | 'selection' | 'merge' | 'leader';

/** Plans the rollouts of one candidate on some tasks. @param name tells apart the candidates that a step runs for the same purpose */
export function planRollouts(
  host: Pick<AlgorithmHost, 'tasks'>,
  { step, purpose, name, resourcesId }: { step: number; purpose: Purpose; name: string; resourcesId: string },
  tasks: readonly number[],
): readonly PlannedRollout[] {
  return tasks.map((task) => ({
    key: `s${step}.${purpose}.${name}.t${task}`,
    // A candidate is compared with its parent on the same task.
    ...(purpose === 'parent' || purpose === 'child' ? { groupKey: `s${step}.${name}.t${task}` } : {}),
    input: host.tasks[task]!,
    mode: 'train',
    resourcesId,
    metadata: { step, task, purpose, name, prompts: resourcesId },
  }));
}

/** Returns the episodes of one candidate in a step for one purpose, by their tasks. */
export function findEpisodes(
  episodes: readonly Episode[],
  purpose: Purpose,
  name: string,
): ReadonlyMap<number, Episode> {
  return new Map(
    episodes
      .filter(({ rollout: { metadata } }) => metadata['purpose'] === purpose && metadata['name'] === name)
      .map((episode) => [Number(episode.rollout.metadata['task']), episode]),
  );
}

/** Returns every reward with the candidate and the task that it belongs to. */
export function listRewards(
  episodes: readonly Episode[],
): readonly { readonly id: string; readonly task: number; readonly reward: number }[] {
  return episodes.flatMap(({ reward, rollout: { metadata } }) =>
    reward === undefined ? [] : [{ id: String(metadata['prompts']), task: Number(metadata['task']), reward }],
  );
}

/** Returns the rewards on some tasks; undefined where one has none. */
export function findRewards(
  episodes: readonly Episode[],
  purpose: Purpose,
  name: string,
  tasks: readonly number[],
): readonly (number | undefined)[] {
  const found = findEpisodes(episodes, purpose, name);
  return tasks.map((task) => found.get(task)?.reward);
}

/** Returns every named dimension of the rewards on some tasks, each of which has an episode. */
export function findNamedRewards(
  episodes: readonly Episode[],
  purpose: Purpose,
  name: string,
  tasks: readonly number[],
): readonly Readonly<Record<string, number>>[] {
  const found = findEpisodes(episodes, purpose, name);
  // The reward of a failure is no dimension: it stands for all of them.
  return tasks.map((task) => (found.get(task)!.isFailureReward === true ? {} : found.get(task)!.rewards));
}

/** Returns the rewards of those tasks that have one on both sides, in two lists. */
export function pairRewards(
  before: readonly (number | undefined)[],
  after: readonly (number | undefined)[],
): readonly [readonly number[], readonly number[]] {
  const pairs = before.flatMap((reward, index) => {
    const other = after[index];
    return reward === undefined || other === undefined ? [] : [[reward, other] as const];
  });
  return [pairs.map(([one]) => one), pairs.map(([, other]) => other)];
}

/** Returns the rewards where all tasks have one, and undefined where one is missing. */
export function requireAll(rewards: readonly (number | undefined)[]): readonly number[] | undefined {
  const found = rewards.filter((reward) => reward !== undefined);
  return found.length === rewards.length ? found : undefined;
}
