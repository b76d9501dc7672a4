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
    'You improve one prompt of an agent. Below is the prompt as it is now, then what the agent did with it on some tasks, how each run was rewarded, and why.',
    `# The prompt "${prompt.name}" as it is now`,
    current,
    ...examples.map(describeExample),
    '# What to do',
    'Find out what the tasks ask for, what the better runs did right and what the others did wrong. Then write a new version of the prompt that would earn more on tasks of this kind. Put in facts and strategies that hold for all tasks of the kind. Do not copy single tasks or their solutions into it.',
    ...(prompt.variables.length === 0 ? [] : [describeVariables(prompt)]),
    ...(guidance === undefined ? [] : [guidance]),
    'Answer with the whole new prompt between <new_prompt> and </new_prompt>.',
  ].join('\n\n');
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
