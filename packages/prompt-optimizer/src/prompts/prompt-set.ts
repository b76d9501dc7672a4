import { createHash } from 'node:crypto';
import { attributeNames, check, type NamedResources, type Span } from '@agent-lightning/core';
import { findVariables, type PromptTemplate } from '@agent-lightning/tracing';
import type { Texts } from '../candidates/candidate.ts';

/** Checks the prompts that an algorithm is given, and returns them. @throws {ConfigurationError} `option-invalid` */
export function checkPrompts(owner: string, prompts: readonly PromptTemplate[]): readonly PromptTemplate[] {
  if (!Array.isArray(prompts) || prompts.length === 0)
    throw check.optionInvalid(`${owner}.prompts`, prompts, "an array of prompts, such as promptTemplate('write', '…')");
  const names = prompts.map((prompt: PromptTemplate) => prompt?.name);
  for (const [index, { name, text, render }] of (prompts as readonly PromptTemplate[]).entries()) {
    if (typeof text !== 'string' || typeof render !== 'function')
      throw check.optionInvalid(`${owner}.prompts[${index}]`, name, "what promptTemplate('write', '…') returns");
    if (names.indexOf(name) !== index)
      throw check.optionInvalid(`${owner}.prompts[${index}]`, name, 'a prompt whose name no other one has');
  }
  return prompts;
}

/** Returns the texts of prompts as they stand in the code. */
export function toTexts(prompts: readonly PromptTemplate[]): Texts {
  return Object.fromEntries(prompts.map(({ name, text }) => [name, text]));
}

/** Returns the id of the resources that hold these texts: it follows from the texts, so that two candidates share an id when they are the same. */
export function identifyTexts(texts: Texts): string {
  const sorted = Object.keys(texts)
    .sort()
    .map((name) => [name, texts[name]]);
  return `prompts-${createHash('sha256').update(JSON.stringify(sorted)).digest('hex').slice(0, 16)}`;
}

/** Returns the resources from which agents render these texts. */
export function toResources(texts: Texts): NamedResources {
  return Object.fromEntries(
    Object.entries(texts).map(([name, template]) => [name, { type: 'prompt_template', template, engine: 'jinja' }]),
  );
}

/** Says what is wrong with a new text of a prompt: it lost a variable, invented one, or says nothing. Undefined when nothing is. */
export function findTextFault(prompt: PromptTemplate, text: string): string | undefined {
  if (text.trim() === '') return 'it is empty';
  const variables = findVariables(text);
  const lost = prompt.variables.filter((name) => !variables.includes(name));
  const invented = variables.filter((name) => !prompt.variables.includes(name));
  const show = (names: readonly string[]): string => names.map((name) => `{{${name}}}`).join(', ');
  if (lost.length > 0) return `it lost ${show(lost)}`;
  return invented.length > 0 ? `it invented ${show(invented)}` : undefined;
}

/** Returns the names of the prompts that these spans say were rendered. */
export function findRendered(spans: readonly Span[]): ReadonlySet<string> {
  return new Set(
    spans
      .flatMap(({ kind, attributes }) => (kind === 'object' ? (attributes[attributeNames.promptName] ?? []) : []))
      .map(String),
  );
}
