import { check, type AgentMatch, type Rollout, type Span } from '@agent-lightning/core';
import { promptKit, type FoundPrompt } from '@agent-lightning/tracing';
import { alignTexts, isTelling, shortestConstant, type AlignedTexts } from './align-texts.ts';
import { readTexts, type SeenText } from './read-texts.ts';

/** The prompts of a dry run. */
export interface PromptFindings {
  readonly prompts: readonly FoundPrompt[];
  /** Model calls of selected agents that were read. */
  readonly calls: number;
  /** Sentences on texts that are no prompts: nothing in them is constant. */
  readonly left: readonly string[];
}

/**
 * Finds the prompts of an agent in the model calls of a dry run: texts that are the same for every task, and templates, of which the constant texts
 * are the same. Where the renderings of a template differ, the prompt has a slot.
 * @param rollouts of different tasks: with one task nothing can be seen to vary @param spans theirs, in the order in which they were written
 */
export function findPrompts(
  rollouts: readonly Rollout[],
  spans: readonly Span[],
  options: { readonly agentMatch?: AgentMatch | undefined } = {},
): PromptFindings {
  check.knownOptions('findPrompts', options, { agentMatch: true });
  const { agentMatch } = options;
  const { texts, calls } = readTexts(rollouts, spans, agentMatch);
  const prompts: FoundPrompt[] = [];
  const left: string[] = [];
  for (const group of groupTexts(texts)) {
    const found = findInGroup(group);
    if (found.length === 0 && group.kind !== 'beginning') left.push(describeLeft(group));
    for (const prompt of found) prompts.push(nameApart(prompt, prompts));
  }
  return { prompts, calls: [...calls.values()].reduce((sum, count) => sum + count, 0), left };
}

/** Texts that stood in the same place of the calls of an agent; a tool's, also in those of several agents. */
interface TextGroup extends Pick<FoundPrompt, 'kind' | 'tool' | 'parameter'> {
  readonly agent: string | undefined;
  readonly texts: readonly SeenText[];
}

const order: readonly FoundPrompt['kind'][] = ['system', 'beginning', 'tool', 'parameter'];

function groupTexts(texts: readonly SeenText[]): readonly TextGroup[] {
  const isOfTool = ({ tool }: SeenText): boolean => tool !== undefined;
  const groups: TextGroup[] = [];
  for (const place of Map.groupBy(texts, ({ kind, tool, parameter }) =>
    JSON.stringify([kind, tool, parameter]),
  ).values()) {
    const { kind, tool, parameter } = place[0]!;
    // A tool that says the same to all agents is one prompt.
    const isShared = isOfTool(place[0]!) && new Set(place.map(({ text }) => text)).size === 1;
    const agents = isShared ? [[undefined, place] as const] : Map.groupBy(place, ({ agent }) => agent);
    for (const [agent, own] of agents) groups.push({ kind, agent, texts: own, ...pickTool(tool, parameter) });
  }
  return groups.sort((one, other) => order.indexOf(one.kind) - order.indexOf(other.kind));
}

function pickTool(tool: string | undefined, parameter: string | undefined): Pick<FoundPrompt, 'tool' | 'parameter'> {
  return { ...(tool !== undefined && { tool }), ...(parameter !== undefined && { parameter }) };
}

function findInGroup(group: TextGroup): readonly FoundPrompt[] {
  const tasks = new Set(group.texts.map(({ task }) => task));
  if (group.kind === 'beginning' && tasks.size < 2) return []; // The task itself would count as constant.
  const byText = Map.groupBy(group.texts, ({ text }) => text);
  // What stands in the calls of every task is a text of its own, also beside others that begin alike.
  const isConstant = (text: string): boolean => new Set(byText.get(text)!.map(({ task }) => task)).size === tasks.size;
  const constant = [...byText.keys()].filter(isConstant);
  const aligned = alignTexts([...byText.keys()].filter((text) => !isConstant(text)));
  // A text of one task alone, with nothing in common with those of the others, is no prompt but a message.
  const isOfSeveral = ({ texts }: AlignedTexts): boolean =>
    new Set(texts.flatMap((text) => byText.get(text)!.map(({ task }) => task))).size > 1;
  return [
    ...constant.map((text) => toPrompt(group, text, [])),
    ...aligned.filter(isOfSeveral).flatMap((texts) => toTemplate(group, texts) ?? []),
  ];
}

function toPrompt({ kind, agent, tool, parameter }: TextGroup, text: string, slots: readonly string[]): FoundPrompt {
  const of = agent === undefined ? '' : `${agent}/`;
  const names: Readonly<Record<FoundPrompt['kind'], string>> = {
    system: `${agent ?? 'agent'}/system`,
    beginning: `${agent ?? 'agent'}/beginning`,
    tool: `${of}tool:${tool}/description`,
    parameter: `${of}tool:${tool}/${parameter}/description`,
  };
  return { name: names[kind], kind, ...(agent !== undefined && { agent }), ...pickTool(tool, parameter), text, slots };
}

/** Makes the template of texts that are aligned; undefined when too little is constant, or when it is not the template of all of them. */
function toTemplate(group: TextGroup, { texts, constants }: AlignedTexts): FoundPrompt | undefined {
  const isBeginning = group.kind === 'beginning';
  // What follows a constant beginning is the task, and stays as it is.
  const isOpenEnded = isBeginning && constants.length > 1 && !isTelling(constants.at(-1)!);
  const kept = isOpenEnded ? cutToSentence(constants.slice(0, -1)) : constants;
  if (kept.join('').trim().length < shortestConstant || (isOpenEnded && kept.at(-1) === '')) return undefined;
  const slots = nameSlots(kept.length - 1, texts);
  const text = kept
    .map((constant, index) => `${constant}${index < slots.length ? `{{${slots[index]}}}` : ''}`)
    .join('');
  const isMatch = (each: string): boolean =>
    promptKit.matchWhole(each, text, slots) !== undefined ||
    promptKit.matchPiece(each, text, slots, isBeginning) !== undefined;
  return texts.every(isMatch) ? toPrompt(group, text, slots) : undefined;
}

/** Cuts what the tasks of a dry run may begin with by chance, such as the "Who" of several questions, from the end of a beginning. */
function cutToSentence(constants: readonly string[]): readonly string[] {
  const last = /^[\s\S]*[:.!?\n]\s*/.exec(constants.at(-1)!)?.[0] ?? constants.at(-1)!;
  return [...constants.slice(0, -1), last];
}

/** Returns names of slots that do not stand in the texts. */
function nameSlots(count: number, texts: readonly string[]): readonly string[] {
  const names: string[] = [];
  for (let number = 1; names.length < count; number += 1)
    if (!texts.some((text) => text.includes(`{{slot${number}}}`))) names.push(`slot${number}`);
  return names;
}

function nameApart(prompt: FoundPrompt, others: readonly FoundPrompt[]): FoundPrompt {
  const isTaken = (name: string): boolean => others.some((other) => other.name === name);
  let { name } = prompt;
  for (let number = 2; isTaken(name); number += 1) name = `${prompt.name}-${number}`;
  return { ...prompt, name };
}

function describeLeft({ kind, agent, tool, parameter, texts }: TextGroup): string {
  const what =
    kind === 'system'
      ? 'system messages'
      : `descriptions of ${kind === 'tool' ? `the tool "${tool}"` : `"${parameter}" of the tool "${tool}"`}`;
  const owner = agent === undefined ? 'agents' : `the agent "${agent}"`;
  return `the ${what} of ${owner} (${texts.length} calls) have less than ${shortestConstant} characters in common, so no prompt was found there; name it in the code by promptTemplate`;
}
