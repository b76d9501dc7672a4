import type { Episode, Span } from '@agent-lightning/core';
import type { PromptTemplate } from '@agent-lightning/tracing';
import { describeTrace, shorten } from './describe-trace.ts';

/** A rollout as the reflection model sees it. */
export interface Example {
  readonly episode: Episode;
  /** The spans of its newest attempt. */
  readonly spans: readonly Span[];
}

/** The longest part of an example, in characters. */
const longestPart = 8_000;

/**
 * Returns the text that asks a model for a better version of a prompt, from examples of what the agent did with it.
 * Texts are put side by side, never into each other: nothing in a prompt or an answer is taken for a part of this text.
 * @param guidance further wishes of the user
 */
export function writeRequest(
  prompt: PromptTemplate,
  current: string,
  examples: readonly Example[],
  guidance: string | undefined,
): string {
  return [
    ...describeRuns(prompt, current, examples),
    '# What to do',
    'Find out what the tasks ask for, what the better runs did right and what the others did wrong. Then write a new version of the prompt that would earn more on tasks of this kind. Put in facts and strategies that hold for all tasks of the kind. Do not copy single tasks or their solutions into it.',
    ...describeWishes(prompt, guidance),
  ].join('\n\n');
}

/** Returns the text that asks what a prompt lacks: the textual gradient of APO. */
export function writeCritiqueRequest(prompt: PromptTemplate, current: string, examples: readonly Example[]): string {
  return [
    ...describeRuns(prompt, current, examples),
    '# What to do',
    'Say what in the prompt caused the worse runs: what it does not say about constraints, order or format, what is ambiguous, what is wrong. Name concrete changes that can be tested, the most important one first, in less than 350 words. Do not write the new prompt.',
  ].join('\n\n');
}

/** Returns the text that asks for a new version of a prompt by a critique of it. */
export function writeEditRequest(
  prompt: PromptTemplate,
  current: string,
  critique: string,
  guidance: string | undefined,
): string {
  return [
    'You rewrite one prompt of an agent by a critique of it.',
    `# The prompt "${prompt.name}" as it is now`,
    current,
    '# The critique',
    critique,
    '# What to do',
    'Write a new version of the prompt that does what the critique asks for. Keep what the critique does not speak of.',
    ...describeWishes(prompt, guidance),
  ].join('\n\n');
}

function describeRuns(prompt: PromptTemplate, current: string, examples: readonly Example[]): readonly string[] {
  return [
    'You improve one prompt of an agent. Below is the prompt as it is now, then what the agent did with it on some tasks, how each run was rewarded, and why.',
    `# The prompt "${prompt.name}" as it is now`,
    current,
    ...examples.map(describeExample),
  ];
}

function describeWishes(prompt: PromptTemplate, guidance: string | undefined): readonly string[] {
  return [
    ...(prompt.variables.length === 0 ? [] : [describeVariables(prompt)]),
    ...(guidance === undefined ? [] : [guidance]),
    'Answer with the whole new prompt between <new_prompt> and </new_prompt>.',
  ];
}

function describeVariables({ variables }: PromptTemplate): string {
  const shown = variables.map((name) => `{{${name}}}`).join(', ');
  return `The prompt is a template: each of ${shown} is replaced by a value when it is used. Keep all of them, exactly as they are written, and add no others.`;
}

function describeExample({ episode, spans }: Example, index: number): string {
  const { rollout, reward, rewards, feedback } = episode;
  const others = Object.keys(rewards).length > 1 ? ` (${JSON.stringify(rewards)})` : '';
  const trace = describeTrace(spans);
  return [
    `# Example ${index + 1}`,
    `## Task\n${shorten(JSON.stringify(rollout.input), longestPart)}`,
    ...(trace === '' ? [] : [`## What the agent did\n${shorten(trace, longestPart)}`]),
    ...(rollout.failure === undefined
      ? []
      : [`## It failed\n${rollout.failure.code}: ${shorten(rollout.failure.message)}`]),
    `## Reward\n${reward === undefined ? 'none' : `${reward}${others}`}`,
    ...(feedback === undefined ? [] : [`## Feedback\n${shorten(feedback, longestPart)}`]),
  ].join('\n\n');
}
