import { attributeNames, type Attributes } from '@agent-lightning/core';
import { findPromptPlaces, type ModelRoute } from './prompt-places.ts';
import type { WirePrompts } from './prompt-resources.ts';
import { replacePrompts } from './replace-prompts.ts';

/** A model call of an agent, for which a rollout has texts. */
export interface PromptedCall {
  readonly route: ModelRoute;
  /** The names of the agent that calls, most specific first; none where nobody tells. */
  readonly agentNames: readonly string[];
  readonly prompts: WirePrompts;
  /** The id of the resources that the texts come from. */
  readonly resourcesId: string | undefined;
}

/** A body with the texts that its rollout has, and what the trace is to say of it. */
export interface PromptedBody {
  readonly body: string;
  readonly records: readonly { readonly name: string; readonly attributes: Attributes }[];
}

/** Returns the texts that are for an agent: those of its own prompts, and of those that are no agent's. */
export function choosePrompts({ replacements, watched }: WirePrompts, agentNames: readonly string[]): WirePrompts {
  const isFor = ({ prompt: { agent } }: WirePrompts['replacements'][number]): boolean =>
    agent === undefined || agentNames.includes(agent);
  return { watched, replacements: replacements.filter(isFor) };
}

/** Puts the texts into the body of a call, and describes what was put in, or what stands there. */
export function promptBody({ route, agentNames, prompts, resourcesId }: PromptedCall, body: string): PromptedBody {
  const { replacements, watched } = choosePrompts(prompts, agentNames);
  const seen = watched.size === 0 ? [] : [describePlaces(route, agentNames, watched, body)];
  if (replacements.length === 0) return { body, records: seen };
  const result = replacePrompts(route, body, replacements);
  const attributes: Attributes = {
    [attributeNames.promptName]: result.replaced,
    ...(result.missing.length > 0 && { [attributeNames.promptMissing]: result.missing }),
    ...(resourcesId !== undefined && { [attributeNames.promptResources]: resourcesId }),
  };
  return { body: result.body, records: [...seen, { name: 'prompts of a model call', attributes }] };
}

function describePlaces(
  route: ModelRoute,
  agentNames: readonly string[],
  watched: WirePrompts['watched'],
  body: string,
): PromptedBody['records'][number] {
  const places = findPromptPlaces(route, body, watched).map(({ kind, tool, parameter, text }) => {
    return { kind, tool, parameter, text };
  });
  const attributes: Attributes = {
    [attributeNames.promptName]: [],
    [attributeNames.promptPlaces]: JSON.stringify(places),
    [attributeNames.agentNames]: agentNames,
  };
  return { name: 'texts of a model call', attributes };
}
