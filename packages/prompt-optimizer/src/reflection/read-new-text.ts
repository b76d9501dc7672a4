import type { PromptTemplate } from '@agent-lightning/tracing';
import { findTextFault } from '../prompts/prompt-set.ts';
import { readAnswer } from './read-answer.ts';

/** Reads the new text of a prompt from the answer of a model, or says why it cannot be run. */
export function readNewText(
  prompt: PromptTemplate,
  answer: string,
): { readonly text: string } | { readonly reason: string } {
  const text = readAnswer(answer);
  const fault = text === undefined ? 'it is not clear which text is the prompt' : findTextFault(prompt, text);
  return fault === undefined ? { text: text! } : { reason: `the new text of "${prompt.name}": ${fault}` };
}
