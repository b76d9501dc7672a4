import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RolloutExcerpt } from '@agent-lightning/core';
import { Tokenizer } from '@agent-lightning/text';

/** Gives tokens their texts. */
export interface TokenTexts {
  readonly source: 'tokenizer' | 'excerpts' | 'none';
  /** Returns the text of each token; a token whose text is not known is its id in brackets. */
  readonly of: (tokens: ArrayLike<number>) => readonly string[];
}

/** Gives tokens no texts: each is its id in brackets. */
export const noTexts: TokenTexts = { source: 'none', of: (tokens) => Array.from(tokens, (token) => `[${token}]`) };

/**
 * Finds the texts of a run's tokens: by the tokenizer of the model that the run wrote, else by the rollouts that it keeps in
 * `samples/`, which show the text of each of their tokens.
 */
export async function findTokenTexts(directory: string): Promise<TokenTexts> {
  return (await fromTokenizer(join(directory, 'model'))) ?? (await fromExcerpts(directory)) ?? noTexts;
}

interface TokenizerFile {
  readonly added_tokens?: readonly { readonly id: number; readonly content: string }[];
}

/** Returns the texts of special tokens, such as `<|end|>`, which decode to nothing. */
function readAddedTokens({ added_tokens: added = [] }: TokenizerFile): ReadonlyMap<number, string> {
  return new Map(added.map(({ id, content }) => [id, content]));
}

async function fromTokenizer(directory: string): Promise<TokenTexts | undefined> {
  const path = join(directory, 'tokenizer.json');
  const configPath = join(directory, 'tokenizer_config.json');
  if (!existsSync(path) || !existsSync(configPath)) return undefined;
  const config = JSON.parse(await readFile(configPath, 'utf8')) as Parameters<typeof Tokenizer.load>[1];
  const text = await readFile(path, 'utf8');
  const tokenizer = await Tokenizer.load(text, config, directory);
  const added = readAddedTokens(JSON.parse(text) as TokenizerFile);
  const textOf = (token: number): string =>
    added.get(token) ?? (tokenizer.hasText(token) ? tokenizer.textOf(token) : `[${token}]`);
  return { source: 'tokenizer', of: (tokens) => Array.from(tokens, textOf) };
}

async function fromExcerpts(directory: string): Promise<TokenTexts | undefined> {
  const texts = new Map<number, string>();
  for (const excerpt of await readExcerpts(directory))
    for (const sample of excerpt.samples)
      for (const [index, token] of sample.tokens.entries()) {
        const text = sample.texts?.[index];
        if (text !== undefined) texts.set(token, text);
      }
  if (texts.size === 0) return undefined;
  return {
    source: 'excerpts',
    of: (tokens) => Array.from(tokens, (token) => texts.get(token) ?? `[${token}]`),
  };
}

/** A few rollouts of one step, as they were trained on. */
export interface KeptStep {
  readonly step: number;
  readonly rollouts: readonly RolloutExcerpt[];
}

/** Reads the steps of which a run keeps rollouts as they were trained on. */
export async function readKeptSteps(directory: string): Promise<readonly KeptStep[]> {
  const kept: KeptStep[] = [];
  for (const name of ['first.json', 'last.json']) {
    const path = join(directory, 'samples', name);
    if (existsSync(path)) kept.push(JSON.parse(await readFile(path, 'utf8')) as KeptStep);
  }
  return kept;
}

/** Reads the rollouts that a run keeps as they were trained on. */
export async function readExcerpts(directory: string): Promise<readonly RolloutExcerpt[]> {
  return (await readKeptSteps(directory)).flatMap(({ rollouts }) => rollouts);
}
