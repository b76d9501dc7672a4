/** Names agents: by one whole name, by several whole names, or by a pattern that is tested against each name. */
export type AgentMatch = string | readonly string[] | RegExp;

/**
 * Returns whether an agent that goes by any of these names is matched. Without a match every agent is.
 * A global or sticky pattern is tested from the start each time, as `String.search` does.
 */
export function matchesAgent(names: readonly string[], match: AgentMatch | undefined): boolean {
  if (match === undefined) return true;
  if (match instanceof RegExp) return names.some((name) => name.search(match) >= 0);
  return listNames(match).some((name) => names.includes(name));
}

/** Writes a match as the user wrote it. */
export function describeAgentMatch(match: AgentMatch): string {
  return match instanceof RegExp ? String(match) : JSON.stringify(match);
}

function listNames(match: string | readonly string[]): readonly string[] {
  return typeof match === 'string' ? [match] : match;
}
