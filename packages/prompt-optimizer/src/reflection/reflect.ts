import type { AskModel, PromptTemplate } from '@agent-lightning/tracing';
import type { Texts } from '../candidates/candidate.ts';
import { askOnce, type AskingHost } from './ask-once.ts';
import { readNewText } from './read-new-text.ts';
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
  host: AskingHost,
  ask: AskModel,
  { purpose, prompts, texts, components, examples, guidance }: ReflectionRequest,
): Promise<Reflection> {
  const changed: Record<string, string> = {};
  for (const name of components) {
    const prompt = prompts.find((each) => each.name === name)!;
    const asked = await askOnce(host, ask, purpose, writeRequest(prompt, texts[name]!, examples, guidance));
    if ('error' in asked) return { kind: 'failed', error: asked.error };
    const read = readNewText(prompt, asked.answer);
    if ('reason' in read) return { kind: 'rejected', reason: read.reason };
    changed[name] = read.text;
  }
  return changeTexts(texts, changed);
}

/** Puts new texts in the place of those that a candidate has; rejected when all say the same as before. White space around a text says nothing. */
export function changeTexts(texts: Texts, changed: Texts): Reflection {
  const news = Object.entries(changed).filter(([name, text]) => text !== texts[name]!.trim());
  if (news.length === 0) return { kind: 'rejected', reason: 'the new text is the old one' };
  return { kind: 'texts', texts: { ...texts, ...Object.fromEntries(news) } };
}

/** Says why there is no new prompt; undefined where there is one, or none was asked for. */
export function describeFault(reflection: Reflection | undefined): string | undefined {
  if (reflection?.kind === 'rejected') return `a new prompt was not run: ${reflection.reason}`;
  if (reflection?.kind !== 'failed') return undefined;
  const { error } = reflection;
  return `no new prompt: ${error instanceof Error ? error.message : String(error)}`;
}
