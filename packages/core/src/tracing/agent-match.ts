/**
 * Whether `agentMatch` selects an agent that goes by any of these names. Without a pattern every agent is selected.
 * A global or sticky pattern is tested from the start each time, as `String.search` does.
 */
export function matchesAgent(names: readonly string[], agentMatch: RegExp | undefined): boolean {
  return agentMatch === undefined || names.some((name) => name.search(agentMatch) >= 0);
}
