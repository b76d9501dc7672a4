import { check, type JsonValue, type NamedResources } from '@agent-lightning/core';
import type { PromptKind } from './prompt-places.ts';
import type { FoundPrompt, PromptReplacement } from './replace-prompts.ts';

/** The name of the resource that says where the found prompts stand; their texts are resources of their own, by their names. */
const foundName = 'agentlightning.found-prompts';
/** The name of the resource that asks a dry run to write down which texts stand in model calls. */
const watchName = 'agentlightning.watch-prompts';

const kinds: readonly PromptKind[] = ['system', 'beginning', 'tool', 'parameter'];

/** Returns resources with which the calls of selected agents get these texts in the place of the prompts that were found. */
export function toPromptResources(
  found: readonly FoundPrompt[],
  texts: Readonly<Record<string, string>>,
): NamedResources {
  const templates = Object.entries(texts).map(([name, template]) => {
    return [name, { type: 'prompt_template', template, engine: 'jinja' }] as const;
  });
  if (found.length === 0) return Object.fromEntries(templates);
  return Object.fromEntries([...templates, [foundName, { type: 'json', value: found as unknown as JsonValue }]]);
}

/** Returns resources with which each call of a selected agent leaves its texts of these kinds in the trace. */
export function toWatchResources(watched: readonly PromptKind[]): NamedResources {
  return { [watchName]: { type: 'json', value: [...watched] } };
}

/** The part of a rollout's resources that is about texts in model calls. */
export interface WirePrompts {
  readonly replacements: readonly PromptReplacement[];
  readonly watched: ReadonlySet<PromptKind>;
}

const read = new WeakMap<NamedResources, WirePrompts>();
const none: WirePrompts = { replacements: [], watched: new Set() };

/** Reads the found prompts and their texts from resources. @throws {ConfigurationError} `option-invalid` for resources that no one of ours wrote */
export function readWirePrompts(resources: NamedResources): WirePrompts {
  if (!Object.hasOwn(resources, foundName) && !Object.hasOwn(resources, watchName)) return none;
  const known = read.get(resources);
  if (known !== undefined) return known;
  const found = readList(resources, foundName).map(checkFound);
  const prompts: WirePrompts = {
    replacements: found.flatMap((prompt) => {
      const resource = resources[prompt.name];
      return resource?.type === 'prompt_template' ? [{ prompt, text: resource.template }] : [];
    }),
    watched: new Set(kinds.filter((kind) => readList(resources, watchName).includes(kind))),
  };
  read.set(resources, prompts);
  return prompts;
}

function readList(resources: NamedResources, name: string): readonly unknown[] {
  const resource = Object.hasOwn(resources, name) ? resources[name] : undefined;
  if (resource === undefined) return [];
  if (resource.type === 'json' && Array.isArray(resource.value)) return resource.value as readonly unknown[];
  throw check.optionInvalid(`the resource "${name}"`, resource, 'a list, as agent-lightning writes it');
}

const slotForm = /^[A-Za-z0-9]+$/;

/** Checks a found prompt that was read from a store or a file. @throws {ConfigurationError} `option-invalid` */
export function checkFound(given: unknown): FoundPrompt {
  const { name, kind, agent, tool, parameter, text, slots } = (given ?? {}) as Partial<
    Record<keyof FoundPrompt, unknown>
  >;
  const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
  const isOptional = (value: unknown): boolean => value === undefined || isText(value);
  const isSlots = Array.isArray(slots) && slots.every((slot) => typeof slot === 'string' && slotForm.test(slot));
  if (
    isText(name) &&
    isText(text) &&
    isSlots &&
    kinds.includes(kind as PromptKind) &&
    [agent, tool, parameter].every(isOptional)
  )
    return given as FoundPrompt;
  throw check.optionInvalid('a found prompt', given, 'an object with name, kind, text and slots');
}
