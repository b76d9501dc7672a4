import type { AskModel } from '@agent-lightning/tracing';
import { askOnce, type AskingHost } from './ask-once.ts';
import { readNewText } from './read-new-text.ts';
import { changeTexts, type Reflection, type ReflectionRequest } from './reflect.ts';
import { writeCritiqueRequest, writeEditRequest } from './request.ts';

/** Asks for a critique of one prompt of a candidate, then for a version that follows it. Answers are kept as those of `reflect` are. */
export async function critiqueAndEdit(
  host: AskingHost,
  models: { readonly critique: AskModel; readonly edit: AskModel },
  { purpose, prompts, texts, components, examples, guidance }: ReflectionRequest,
): Promise<Reflection> {
  const name = components[0]!;
  const prompt = prompts.find((each) => each.name === name)!;
  const current = texts[name]!;
  const critique = await askOnce(host, models.critique, purpose, writeCritiqueRequest(prompt, current, examples));
  if ('error' in critique) return { kind: 'failed', error: critique.error };
  if (critique.answer.trim() === '') return { kind: 'rejected', reason: `the critique of "${name}" is empty` };
  const request = writeEditRequest(prompt, current, critique.answer, guidance);
  const edited = await askOnce(host, models.edit, purpose, request);
  if ('error' in edited) return { kind: 'failed', error: edited.error };
  const read = readNewText(prompt, edited.answer);
  return 'reason' in read ? { kind: 'rejected', reason: read.reason } : changeTexts(texts, { [name]: read.text });
}
