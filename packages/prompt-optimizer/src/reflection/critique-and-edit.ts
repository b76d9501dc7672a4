import type { AlgorithmHost } from '@agent-lightning/core';
import type { AskModel } from '@agent-lightning/tracing';
import { findTextFault } from '../prompts/prompt-set.ts';
import { askOnce } from './ask-once.ts';
import { readAnswer } from './read-answer.ts';
import type { Reflection, ReflectionRequest } from './reflect.ts';
import { writeCritiqueRequest, writeEditRequest } from './request.ts';

/** Asks for a critique of one prompt of a candidate, then for a version that follows it. Answers are kept as those of `reflect` are. */
export async function critiqueAndEdit(
  host: Pick<AlgorithmHost, 'findResources' | 'putResources'>,
  models: { readonly critique: AskModel; readonly edit: AskModel },
  { purpose, prompts, texts, components, examples, guidance }: ReflectionRequest,
): Promise<Reflection> {
  const name = components[0]!;
  const prompt = prompts.find((each) => each.name === name)!;
  const current = texts[name]!;
  let text: string | undefined;
  try {
    const critique = await askOnce(host, models.critique, purpose, writeCritiqueRequest(prompt, current, examples));
    if (critique.trim() === '') return { kind: 'rejected', reason: `the critique of "${name}" is empty` };
    text = readAnswer(await askOnce(host, models.edit, purpose, writeEditRequest(prompt, current, critique, guidance)));
  } catch (error) {
    return { kind: 'failed', error };
  }
  const fault = text === undefined ? 'it is not clear which text is the prompt' : findTextFault(prompt, text);
  if (fault !== undefined) return { kind: 'rejected', reason: `the new text of "${name}": ${fault}` };
  if (text === current) return { kind: 'rejected', reason: 'the new text is the old one' };
  return { kind: 'texts', texts: { ...texts, [name]: text! } };
}
