import { describeAgentMatch, matchesAgent, type AgentMatch } from '@agent-lightning/core';
import type { AgentOptions } from './agent-options.ts';

/** Holds what the wrappers around an agent decide about it. */
export interface AgentSelection {
  /** Tells whether the agent's model calls go to the policy. */
  readonly isSelected: boolean;
  /** The `agentMatch` that selected the agent; undefined where none did. */
  readonly match: AgentMatch | undefined;
  /** Every `agentMatch` that was asked before and does not match the agent, innermost first. */
  readonly unmatched: readonly AgentMatch[];
}

/**
 * Decides whether an agent that goes by these names is selected by the wrappers around it, which are given innermost first:
 *
 * - A wrapper with an `agentMatch` selects the agents that it matches. About all others the next wrapper further out decides.
 * - A wrapper without one leaves each agent to the wrappers further out; where none of them has an `agentMatch`, it selects every agent.
 * - An agent that no wrapper selects is not selected, such as one that nobody wrapped.
 */
export function selectAgent(names: readonly string[], wrappers: readonly AgentOptions[]): AgentSelection {
  const unmatched: AgentMatch[] = [];
  for (const { agentMatch } of wrappers) {
    if (agentMatch === undefined) continue;
    if (matchesAgent(names, agentMatch)) return { isSelected: true, match: agentMatch, unmatched };
    unmatched.push(agentMatch);
  }
  // The outermost wrapper has none further out that it could leave the agent to.
  const outermost = wrappers.at(-1);
  return { isSelected: outermost !== undefined && outermost.agentMatch === undefined, match: undefined, unmatched };
}

/**
 * Puts wrappers inside others, both innermost first. It adds nothing where the outer ones say the same already, so that an agent that
 * calls itself, or one that several listeners report, does not gather wrappers; of an object that was wrapped again the wrappers that
 * are known stay innermost.
 */
export function joinWrappers(inner: readonly AgentOptions[], outer: readonly AgentOptions[]): readonly AgentOptions[] {
  if (inner.every((wrapper) => outer.some((known) => saysTheSame(known, wrapper)))) return outer;
  const known = inner.findIndex((wrapper, index) => outer[index] === undefined || !saysTheSame(outer[index], wrapper));
  return [...inner, ...outer.slice(known)];
}

/**
 * Returns those wrappers that decide about what runs beside an agent's own work, such as a guardrail or a processor: a model there was given
 * for that, and only an `agentMatch` that names it sends its calls to the policy.
 */
export function namingWrappers(wrappers: readonly AgentOptions[]): readonly AgentOptions[] {
  return wrappers.filter(({ agentMatch }) => agentMatch !== undefined);
}

/** Puts one more wrapper around others. It takes the place of one that says the same, so that wrapping in a loop gathers nothing. */
export function addWrapper(wrapper: AgentOptions, inner: readonly AgentOptions[]): readonly AgentOptions[] {
  return [...inner.filter((known) => !saysTheSame(known, wrapper)), wrapper];
}

function saysTheSame(one: AgentOptions, other: AgentOptions): boolean {
  if (one.prompts !== other.prompts) return false;
  if (one.agentMatch === undefined || other.agentMatch === undefined) return one.agentMatch === other.agentMatch;
  return describeAgentMatch(one.agentMatch) === describeAgentMatch(other.agentMatch);
}
