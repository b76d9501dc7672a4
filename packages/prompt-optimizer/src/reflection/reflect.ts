import type { AlgorithmHost } from '@agent-lightning/core';
import type { AskModel, PromptTemplate } from '@agent-lightning/tracing';
import type { Texts } from '../candidates/candidate.ts';
import { findTextFault } from '../prompts/prompt-set.ts';
import { askOnce } from './ask-once.ts';
import { readAnswer } from './read-answer.ts';
import { writeRequest, type Example } from './request.ts';

/** The result of asking for new texts. */
export type Reflection =
  | { readonly kind: 'texts'; readonly texts: Texts }
  /** The answer is no better prompt: nothing is run with it. */
  | { readonly kind: 'rejected'; readonly reason: string }
  /** The model did not answer. */
  | { readonly kind: 'failed'; readonly error: unknown };

export interface ReflectionRequest {
  /** Names the request within the run: asked again with the same examples, it has the same answer. */
  readonly purpose: string;
  readonly prompts: readonly PromptTemplate[];
  /** The texts of the candidate that is improved. */
  readonly texts: Texts;
  /** The names of the prompts to rewrite. */
  readonly components: readonly string[];
  readonly examples: readonly Example[];
  readonly guidance: string | undefined;
}

/** Asks for new texts of some prompts of a candidate. An answer is kept in the store before it is used, so that a resumed run goes on with it. */
export async function reflect(
  host: Pick<AlgorithmHost, 'findResources' | 'putResources'>,
  ask: AskModel,
  { purpose, prompts, texts, components, examples, guidance }: ReflectionRequest,
): Promise<Reflection> {
  const changed: Record<string, string> = { ...texts };
  for (const name of components) {
    const prompt = prompts.find((each) => each.name === name)!;
    const request = writeRequest(prompt, texts[name]!, examples, guidance);
    let answer: string;
    try {
      answer = await askOnce(host, ask, purpose, request);
    } catch (error) {
      return { kind: 'failed', error };
    }
    const text = readAnswer(answer);
    const fault = text === undefined ? 'it is not clear which text is the prompt' : findTextFault(prompt, text);
    if (fault !== undefined) return { kind: 'rejected', reason: `the new text of "${name}": ${fault}` };
    changed[name] = text!;
  }
  const isSame = components.every((name) => changed[name] === texts[name]);
  return isSame ? { kind: 'rejected', reason: 'the new text is the old one' } : { kind: 'texts', texts: changed };
}
