import { attributeNames, matchesAgent, type AgentMatch, type Span } from '@agent-lightning/core';
import { promptKit, type FoundPrompt } from '@agent-lightning/tracing';
import type { SeenText } from './read-texts.ts';

type Place = Omit<SeenText, 'agent' | 'task'>;

/**
 * Returns the names of the prompts that stand in every call of their agent in a dry run. A later rollout in which that agent calls, and none of its calls has
 * such a prompt, ran with a text that nobody tried.
 */
export function findSteadyPrompts(
  found: readonly FoundPrompt[],
  spans: readonly Span[],
  agentMatch: AgentMatch | undefined,
): readonly string[] {
  const calls = spans.flatMap(({ attributes }) => {
    const [places, names] = [attributes[attributeNames.promptPlaces], attributes[attributeNames.agentNames]];
    if (typeof places !== 'string' || !Array.isArray(names)) return [];
    const agentNames = names.map(String);
    if (agentMatch !== undefined && !matchesAgent(agentNames, agentMatch)) return [];
    return [{ agentNames, places: JSON.parse(places) as readonly Place[] }];
  });
  const isSteady = (prompt: FoundPrompt): boolean => {
    const own = calls.filter(({ agentNames }) => prompt.agent === undefined || agentNames.includes(prompt.agent));
    return own.length > 0 && own.every(({ places }) => places.some((place) => standsIn(prompt, place)));
  };
  return found.filter(isSteady).map(({ name }) => name);
}

function standsIn({ kind, tool, parameter, text, slots }: FoundPrompt, place: Place): boolean {
  if (place.kind !== kind || place.tool !== tool || place.parameter !== parameter) return false;
  const isBeginning = kind === 'beginning';
  return (
    promptKit.matchWhole(place.text, text, slots) !== undefined ||
    promptKit.matchPiece(place.text, text, slots, isBeginning) !== undefined
  );
}

/** Returns the ids of the rollouts whose agents called without a prompt that had to stand there, by its name. */
export function findMissed(names: readonly string[], spans: readonly Span[]): ReadonlyMap<string, readonly string[]> {
  const missed = new Map<string, string[]>();
  for (const [rolloutId, own] of Map.groupBy(spans, (span) => span.rolloutId)) {
    const listNames = (attribute: string): ReadonlySet<string> =>
      new Set(own.flatMap(({ attributes }) => (attributes[attribute] ?? []) as readonly string[]).map(String));
    const [there, missing] = [listNames(attributeNames.promptName), listNames(attributeNames.promptMissing)];
    for (const name of names)
      if (missing.has(name) && !there.has(name)) missed.set(name, [...(missed.get(name) ?? []), rolloutId]);
  }
  return missed;
}
