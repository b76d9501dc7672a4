import { check, describeAgentMatch, type AgentMatch } from '@agent-lightning/core';
import type { FoundPrompt, PromptTemplate } from '@agent-lightning/tracing';

/** Says which prompts of an agent are found in its model calls. */
export interface FindPromptsOptions {
  /**
   * The texts that are looked for: system and developer messages (`system`), constant beginnings of the first user message (`beginning`), descriptions of
   * tools (`tool`) and of their parameters (`parameter`). Questions that begin alike count as a constant beginning; other descriptions can change which
   * tool is called. @default ['system']
   */
  readonly find?: readonly FoundPrompt['kind'][];
  /** The agents whose prompts are found, of those that `withLightning` selects. @default all of them */
  readonly agentMatch?: AgentMatch;
  /** Training tasks that are run to find prompts, before the search; they count in its budget. @default 4 */
  readonly findTasks?: number;
}

/** The prompts to improve: those that are named in the code, or those that are found in the model calls of the agent. */
export type PromptSource = readonly PromptTemplate[] | 'found' | FindPromptsOptions;

export interface FindSettings {
  readonly find: readonly FoundPrompt['kind'][];
  readonly agentMatch: AgentMatch | undefined;
  readonly findTasks: number;
}

const kinds = ['system', 'beginning', 'tool', 'parameter'] as const;

/** Tells whether prompts are to be found. */
export function isToBeFound(source: PromptSource): source is 'found' | FindPromptsOptions {
  return source === 'found' || (typeof source === 'object' && source !== null && !Array.isArray(source));
}

/** Checks the options and fills in the defaults. @throws {ConfigurationError} `option-invalid` */
export function resolveFindOptions(owner: string, source: 'found' | FindPromptsOptions): FindSettings {
  const options: FindPromptsOptions = source === 'found' ? {} : source;
  check.knownOptions(`${owner}.prompts`, options, { find: true, agentMatch: true, findTasks: true });
  const { find = ['system'], agentMatch, findTasks = 4 } = options;
  if (!Array.isArray(find) || find.length === 0 || !find.every((kind: FoundPrompt['kind']) => kinds.includes(kind)))
    throw check.optionInvalid(`${owner}.prompts.find`, find, `a list of some of ${kinds.join(', ')}`);
  return Object.freeze({
    find: kinds.filter((kind) => find.includes(kind)),
    agentMatch: agentMatch === undefined ? undefined : check.agentMatch(`${owner}.prompts.agentMatch`, agentMatch),
    findTasks: check.wholeNumber(`${owner}.prompts.findTasks`, findTasks),
  });
}

/** Returns the settings as JSON, for the record of a run. */
export function describeSettings({ find, agentMatch, findTasks }: FindSettings): Readonly<Record<string, unknown>> {
  return { find, findTasks, ...(agentMatch !== undefined && { agentMatch: describeAgentMatch(agentMatch) }) };
}
