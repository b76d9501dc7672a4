/** Reads a `tokenizer.json` of any size without holding the event loop: a large one takes seconds at once. */
import { setImmediate } from 'node:timers/promises';

import type { JsonValue } from '@agent-lightning/core';

import { splitMember, splitMembers } from './json-pieces.ts';
import { corrupt, type JsonObject } from './model-files.ts';
import { Vocabulary } from './vocabulary.ts';

/** The number of characters of tokens or merges that are parsed at once: some milliseconds of work. */
const groupLength = 1 << 17;

/** A tokenizer's file, with its long lists apart. */
export interface TokenizerFile {
  /** The content without the tokens and merges of the model. */
  readonly json: JsonObject;
  readonly vocabulary: Vocabulary;
}

/**
 * Reads the text of a `tokenizer.json`, in pieces.
 *
 * @param source names the model in errors
 * @param check throws for a file that is not supported, before its long lists are read
 * @throws {BackendError} `checkpoint-corrupt` when it is no JSON object, or its tokens or merges are broken
 */
export async function readTokenizerFile(
  text: string,
  source: string,
  check: (json: JsonObject) => void,
): Promise<TokenizerFile> {
  try {
    const root = await readMembers(text);
    const model = await readMembers(root.get('model') ?? '{}');
    const json = { ...parseMembers(root, ['model']), model: parseMembers(model, ['vocab', 'merges']) };
    check(json);
    const vocabulary = new Vocabulary(source);
    await forEachGroup(model.get('vocab') ?? '{}', (group) => vocabulary.addTokens(JSON.parse(group) as JsonObject));
    await forEachGroup(model.get('merges') ?? '[]', (group) => vocabulary.addMerges(JSON.parse(group) as unknown[]));
    return { json, vocabulary };
  } catch (cause) {
    if (cause instanceof SyntaxError) throw corrupt(source, `tokenizer.json is not JSON: ${cause.message}`, cause);
    throw cause;
  }
}

/** Returns the texts of an object's members by name. */
async function readMembers(text: string): Promise<Map<string, string>> {
  const start = text.search(/\S/u);
  if (text[start] !== '{') throw new SyntaxError('it is no object');
  const members = new Map<string, string>();
  const end = await drain(splitMembers(text, start, 0), (member) => members.set(...splitMember(member)));
  if (text.slice(end).trim() !== '') throw new SyntaxError('something follows its end');
  return members;
}

/** Gives the groups of a long object or list, as texts of an object or list each. */
async function forEachGroup(text: string, read: (group: string) => void): Promise<void> {
  const [open, close] = [text.at(0) ?? '', text.at(-1) ?? ''];
  await drain(splitMembers(text, 0, groupLength), (group) => read(open + group + close));
}

/** Runs through a search, and lets others work after each of its steps. */
async function drain(
  search: Generator<string | undefined, number, undefined>,
  take: (group: string) => unknown,
): Promise<number> {
  let taken = 0;
  for (;;) {
    const step = search.next();
    if (step.done === true) return step.value;
    if (step.value !== undefined) {
      take(step.value);
      taken += step.value.length;
    }
    // Short members, of which an object can have many, are no reason to pause.
    if (step.value === undefined || taken >= groupLength) {
      taken = 0;
      await setImmediate();
    }
  }
}

function parseMembers(members: ReadonlyMap<string, string>, apart: readonly string[]): JsonObject {
  const kept = [...members].filter(([name]) => !apart.includes(name));
  return Object.fromEntries(kept.map(([name, text]) => [name, JSON.parse(text) as JsonValue]));
}
