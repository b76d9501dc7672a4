import type { Episode } from '@agent-lightning/core';

/** Finds the policies that no call reached; none where no policy was reached, which another finding reports. */
export function findUnusedPolicies(policies: readonly string[], episodes: readonly Episode[]): readonly string[] {
  const used = new Set(episodes.flatMap(({ transitions }) => transitions.map((call) => call.policy)));
  return used.size === 0 ? [] : policies.filter((name) => !used.has(name));
}
