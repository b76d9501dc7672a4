import { attributeNames, check, type NamedResources } from '@agent-lightning/core';
import { currentRollout, type RolloutScope } from '../scope/rollout-scope.ts';
import { isLive, writeTrace } from '../scope/untraceable.ts';
import { checkLoaded, type LoadedPrompts } from '../found-prompts/load-prompts.ts';
import { fillTemplate, findVariables, type TemplateEngine } from './template-text.ts';

type Space = ' ' | '\n' | '\r' | '\t';
type Trim<Text extends string> = Text extends `${Space}${infer Rest}` | `${infer Rest}${Space}` ? Trim<Rest> : Text;

type Digit = '0' | '1' | '2' | '3' | '4' | '5' | '6' | '7' | '8' | '9';
type Letter =
  | ('a' | 'b' | 'c' | 'd' | 'e' | 'f' | 'g' | 'h' | 'i' | 'j' | 'k' | 'l' | 'm')
  | ('n' | 'o' | 'p' | 'q' | 'r' | 's' | 't' | 'u' | 'v' | 'w' | 'x' | 'y' | 'z' | '_');

/** Tells whether a text is the name of a variable, as `findVariables` decides it: braces around anything else are plain text. */
type IsName<Text extends string> = Text extends '' | `${Digit}${string}` ? false : HasNameCharacters<Text>;
type HasNameCharacters<Text extends string> = Text extends `${infer First}${infer Rest}`
  ? Lowercase<First> extends Letter | Digit
    ? HasNameCharacters<Rest>
    : false
  : true;

/** The names of the variables of a template, where its text is known to the compiler. */
export type PromptVariables<Text extends string> = string extends Text
  ? string
  : Text extends `${string}{{${infer Name}}}${infer Rest}`
    ? IsName<Trim<Name>> extends true
      ? Trim<Name> | PromptVariables<Rest>
      : PromptVariables<`{${Name}}}${Rest}`>
    : never;

/** A value that takes the place of a variable. */
export type PromptValue = string | number | boolean;

/** A prompt of an agent that can be improved, by its name. */
export interface PromptTemplate<Variable extends string = string> {
  /** Names it among the resources of rollouts, in exports and in messages. */
  readonly name: string;
  /** The text as it stands in the code. */
  readonly text: string;
  readonly variables: readonly Variable[];
  /**
   * Returns the text with the values put in: inside a rollout that has a version of this prompt, that version; else the text as it
   * stands in the code. Call it whenever the prompt is needed, not once when a module is loaded.
   * @throws {ConfigurationError} `option-invalid` when a variable has no value, or a value has no variable
   */
  render(...values: [Variable] extends [never] ? [] : [values: Readonly<Record<Variable, PromptValue>>]): string;
}

/** The options of a prompt. */
export interface PromptTemplateOptions {
  /** Promoted prompts, as `await loadPrompts(…)` gives them: outside the rollouts of a training their text is rendered. @default the text of the code */
  readonly prompts?: LoadedPrompts;
}

/** The names that prompts may have: they are names of files too. */
const nameForm = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/;

/**
 * Names a prompt of an agent, so that it can be improved without changing the agent: `promptTemplate('write', 'You write SQL for {{schema}}.')`.
 * @param name letters, digits, `_`, `.` and `-` @param text the prompt, with variables as `{{name}}`; other braces are plain text
 * @throws {ConfigurationError} `option-invalid`
 */
export function promptTemplate<const Text extends string>(
  name: string,
  text: Text,
  options: PromptTemplateOptions = {},
): PromptTemplate<PromptVariables<Text>> {
  if (typeof name !== 'string' || !nameForm.test(name))
    throw check.optionInvalid('promptTemplate: name', name, 'letters, digits, "_", "." and "-", at most 100');
  if (typeof text !== 'string' || text.trim() === '')
    throw check.optionInvalid(`promptTemplate: the text of "${name}"`, text, 'a text that is not empty');
  check.knownOptions(`promptTemplate "${name}"`, options, { prompts: true });
  const { prompts } = options;
  const variables = Object.freeze(findVariables(text));
  if (prompts !== undefined) checkPromoted(name, variables, checkLoaded('promptTemplate: prompts', prompts));
  return Object.freeze({
    name,
    text,
    variables: variables as readonly PromptVariables<Text>[],
    render: (given: Readonly<Record<string, PromptValue>> = {}) => {
      check.knownOptions(`prompt "${name}"`, given, variables);
      const current = findCurrent(name, variables, prompts);
      return fillTemplate(current?.text ?? text, current?.engine ?? 'jinja', (variable) =>
        readValue(name, given, variable),
      );
    },
  });
}

interface CurrentText {
  readonly text: string;
  readonly engine: TemplateEngine;
}

/** The prompts that are on record as rendered, by rollout. */
const recorded = new WeakMap<RolloutScope, Set<string>>();

/** Returns the version of a prompt that the current rollout has, or that is served in production, and writes once into a rollout's trace that it was rendered. */
function findCurrent(
  name: string,
  variables: readonly string[],
  prompts: LoadedPrompts | undefined,
): CurrentText | undefined {
  const scope = currentRollout();
  if (scope === undefined || isLive(scope)) {
    const served = readTemplate(name, scope?.resources) ?? readTemplate(name, prompts?.resources);
    // A text that was promoted for other variables than the code has now cannot be filled: the request comes first.
    return served !== undefined && hasVariables(served, variables) ? served : undefined;
  }
  const current = readTemplate(name, scope.resources);
  if (current === undefined) return undefined;
  const names = recorded.get(scope) ?? new Set();
  if (!names.has(name)) writeTrace(scope, () => recordRender(scope, name));
  recorded.set(scope, names.add(name));
  return current;
}

function readTemplate(name: string, resources: NamedResources | undefined): CurrentText | undefined {
  const resource = resources !== undefined && Object.hasOwn(resources, name) ? resources[name] : undefined;
  if (resource === undefined) return undefined;
  if (resource.type !== 'prompt_template')
    throw check.optionInvalid(`prompt "${name}": the resource of this name`, resource.type, 'a prompt_template');
  return { text: resource.template, engine: resource.engine };
}

function hasVariables({ text, engine }: CurrentText, variables: readonly string[]): boolean {
  const found = findVariables(text, engine);
  return found.length === variables.length && found.every((each) => variables.includes(each));
}

/** Refuses a promoted text whose variables are not those of the code, when the app starts and not in a request. */
function checkPromoted(name: string, variables: readonly string[], { resources }: LoadedPrompts): void {
  const promoted = readTemplate(name, resources);
  if (promoted === undefined || hasVariables(promoted, variables)) return;
  throw check.optionInvalid(
    `promptTemplate: the promoted text of "${name}"`,
    promoted.text,
    `a text with the variables of the code, ${variables.map((each) => `{{${each}}}`).join(', ') || 'none'}; roll it back, or search again`,
  );
}

function recordRender({ recorder, rollout }: RolloutScope, name: string): void {
  recorder.record({
    kind: 'object',
    name: `prompt ${name}`,
    attributes: {
      [attributeNames.promptName]: name,
      ...(rollout.resourcesId === undefined ? {} : { [attributeNames.promptResources]: rollout.resourcesId }),
    },
  });
}

function readValue(name: string, values: Readonly<Record<string, PromptValue>>, variable: string): string {
  const value = Object.hasOwn(values, variable) ? values[variable] : undefined;
  if (value === undefined || value === null)
    throw check.optionInvalid(`prompt "${name}": the value of {{${variable}}}`, value, 'a text, a number or a boolean');
  return String(value);
}
