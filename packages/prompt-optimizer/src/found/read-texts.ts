import { attributeNames, matchesAgent, type AgentMatch, type Rollout, type Span } from '@agent-lightning/core';
import type { FoundPrompt } from '@agent-lightning/tracing';

/** A text that stood in a model call of a selected agent. */
export interface SeenText extends Pick<FoundPrompt, 'kind' | 'tool' | 'parameter' | 'text'> {
  /** The agent's most telling name; undefined for one without a name. */
  readonly agent: string | undefined;
  /** The position of its rollout among those whose task is this one: equal for equal tasks. */
  readonly task: string;
}

/** The texts of a dry run's model calls. */
export interface SeenTexts {
  readonly texts: readonly SeenText[];
  /** Model calls of selected agents that could be read, by the agent's most telling name. */
  readonly calls: ReadonlyMap<string, number>;
}

/** Reads the texts that the calls of a watching dry run left in the trace, in the order of the rollouts and then of the calls. */
export function readTexts(
  rollouts: readonly Rollout[],
  spans: readonly Span[],
  agentMatch: AgentMatch | undefined,
): SeenTexts {
  const bySpan = Map.groupBy(spans, ({ rolloutId }) => rolloutId);
  const texts: SeenText[] = [];
  const calls = new Map<string, number>();
  for (const { rolloutId, input } of rollouts) {
    for (const { attributes } of bySpan.get(rolloutId) ?? []) {
      const places = attributes[attributeNames.promptPlaces];
      const names = attributes[attributeNames.agentNames];
      if (typeof places !== 'string' || !Array.isArray(names)) continue;
      const agentNames = names.map(String);
      if (agentMatch !== undefined && !matchesAgent(agentNames, agentMatch)) continue;
      const agent = agentNames[0];
      calls.set(agent ?? '', (calls.get(agent ?? '') ?? 0) + 1);
      for (const place of JSON.parse(places) as Omit<SeenText, 'agent' | 'task'>[])
        texts.push({ ...place, agent, task: JSON.stringify(input) });
    }
  }
  return { texts, calls };
}
