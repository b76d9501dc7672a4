/** Rewards of rollouts of one candidate on one task, by the candidate's id and the task. */
export type SeenRewards = Readonly<Record<string, Readonly<Record<string, readonly number[]>>>>;

/** Adds rewards to those that were seen before. */
export function addRewards(
  seen: SeenRewards,
  found: readonly { readonly id: string; readonly task: number; readonly reward: number }[],
): SeenRewards {
  const all: Record<string, Record<string, readonly number[]>> = { ...seen };
  for (const { id, task, reward } of found) {
    const ofCandidate = all[id] ?? {};
    all[id] = { ...ofCandidate, [task]: [...(ofCandidate[task] ?? []), reward] };
  }
  return all;
}

/**
 * Estimates the variance of the reward when one candidate runs one task again: the squared deviations from the mean of each candidate and task, summed, over
 * their degrees of freedom (Σ (n − 1)). It is 0 where nothing ran twice, or the same always earns the same.
 */
export function estimateNoise(seen: SeenRewards): number {
  let squares = 0;
  let freedom = 0;
  for (const rewards of Object.values(seen).flatMap((tasks) => Object.values(tasks))) {
    const mean = rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length;
    squares += rewards.reduce((sum, reward) => sum + (reward - mean) ** 2, 0);
    freedom += rewards.length - 1;
  }
  return freedom === 0 ? 0 : squares / freedom;
}

/** Returns the standard error of the mean difference of two candidates over so many tasks, each run once. @param noise variance of one rollout */
export function errorOfGain(noise: number, tasks: number): number {
  return Math.sqrt((2 * noise) / tasks);
}
