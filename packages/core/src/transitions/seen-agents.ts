import { attributeNames } from '../vocabulary/attributes.ts';
import type { Span } from '../vocabulary/span.ts';
import { ownAgentNames } from './agent-names.ts';
import type { CallTrace } from './model-calls.ts';
import type { SeenAgent } from './transition.ts';

/** Lists the agents that frameworks reported in an attempt, each once for each answer to whether its calls go to the policy. */
export function listAgents(spans: readonly Span[], trace: CallTrace): readonly SeenAgent[] {
  const agents = new Map<string, SeenAgent>();
  const add = (span: Span, name: string, calls: number): void => {
    const selected = span.attributes[attributeNames.agentSelected];
    if (typeof selected !== 'boolean' || name === '') return;
    const given = span.attributes[attributeNames.agentMatch];
    const match = typeof given === 'string' ? given : undefined;
    const unmatched = readTexts(span.attributes[attributeNames.agentUnmatched]);
    const key = JSON.stringify([name, selected, match, unmatched]);
    const known = agents.get(key);
    agents.set(key, { name, selected, match, unmatched, calls: (known?.calls ?? 0) + calls });
  };
  for (const span of spans.toSorted((a, b) => a.sequenceId - b.sequenceId))
    if (span.kind === 'agent') add(span, ownAgentNames(span)[0] ?? '', 0);
  for (const { framework, agentNames, replaced } of trace.calls)
    if (framework !== undefined && !replaced) add(framework, agentNames[0] ?? '', 1);
  return [...agents.values()];
}

function readTexts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((text): text is string => typeof text === 'string') : [];
}
