import { TrainerError, type AlgorithmHost, type Rollout } from '@agent-lightning/core';
import type { PromptTemplate } from '@agent-lightning/tracing';
import { findRendered } from '../prompts/prompt-set.ts';

/** Returns the error of a run whose rollouts do not use a prompt that it should improve; undefined when they use all, or none came to its end. */
export async function findUnusedPrompt(
  owner: string,
  host: Pick<AlgorithmHost, 'readSpans'>,
  prompts: readonly PromptTemplate[],
  rollouts: readonly Rollout[],
): Promise<Error | undefined> {
  const succeeded = rollouts.filter(({ status }) => status === 'succeeded');
  if (succeeded.length === 0) return undefined; // Failed rollouts may not have come to their prompts.
  const rendered = findRendered(await host.readSpans(succeeded));
  const unused = prompts.find(({ name }) => !rendered.has(name));
  if (unused === undefined) return undefined;
  return new TrainerError(
    `no rollout of the first step rendered the prompt "${unused.name}", so no version of it can make a difference; call its render() inside the rollout function, or leave it out of ${owner}.prompts`,
    { code: 'no-signal' },
  );
}
