/** Names agents: by one whole name, by several whole names, or by a pattern that is tested against each name. */
export type AgentMatch = string | readonly string[] | RegExp;

/** Selects every agent, or no agent, whatever its names are. */
export interface AgentRule {
  readonly agents: 'every' | 'none';
}

/** Says which agents are selected. Where it is undefined, the agent around decides. */
export type AgentSelection = AgentMatch | AgentRule;

/** Selects every agent: what a wrapper without `agentMatch` says where no wrapped agent is around. */
export const everyAgent: AgentRule = Object.freeze({ agents: 'every' });

/** Selects no agent: for one that nobody wrapped and that no wrapped agent calls. It is traced, and keeps its model. */
export const noAgent: AgentRule = Object.freeze({ agents: 'none' });

/** Tells whether a selection is the rule that selects no agent, of whatever copy of this package. */
export function selectsNoAgent(selection: AgentSelection | undefined): boolean {
  return isRule(selection) && selection.agents === 'none';
}

/**
 * Returns whether an agent that goes by any of these names is selected. Without a selection every agent is.
 * A global or sticky pattern is tested from the start each time, as `String.search` does.
 */
export function matchesAgent(names: readonly string[], selection: AgentSelection | undefined): boolean {
  if (selection === undefined) return true;
  if (isRule(selection)) return selection.agents === 'every';
  if (selection instanceof RegExp) return names.some((name) => name.search(selection) >= 0);
  return listNames(selection).some((name) => names.includes(name));
}

/** Writes a selection as the user wrote it; undefined for a rule, which no user wrote. */
export function describeAgentMatch(selection: AgentSelection | undefined): string | undefined {
  if (selection === undefined || isRule(selection)) return undefined;
  return selection instanceof RegExp ? String(selection) : JSON.stringify(selection);
}

function listNames(match: string | readonly string[]): readonly string[] {
  return typeof match === 'string' ? [match] : match;
}

function isRule(selection: AgentSelection | undefined): selection is AgentRule {
  return typeof selection === 'object' && 'agents' in selection;
}
