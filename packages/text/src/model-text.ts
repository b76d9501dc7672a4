/** Reads the parts of a model directory that concern text: tokenizer, chat template, the tokens that end an answer. */
import { join, resolve } from 'node:path';

import type { JsonValue } from '@agent-lightning/core';

import { ChatTemplate } from './chat-template.ts';
import { corrupt, parseJson, readModelFiles, type JsonObject } from './model-files.ts';
import { findChatTemplate, readSpecialTokens } from './template-source.ts';
import { Tokenizer } from './tokenizer.ts';

export interface ModelText {
  /** Absolute path of the directory; it names the model in errors. */
  readonly directory: string;
  readonly tokenizer: Tokenizer;
  /** Absent when the model has none and answers bare prompts only. */
  readonly chatTemplate: ChatTemplate | undefined;
  /** Tokens that end an answer. */
  readonly eosTokenIds: readonly number[];
}

/** The files that {@link readText} needs. */
export const requiredTextFiles: readonly string[] = ['tokenizer.json', 'tokenizer_config.json'];
/** The files that {@link readText} reads when they are there. */
export const optionalTextFiles: readonly string[] = ['config.json', 'generation_config.json', 'chat_template.jinja'];

const expected =
  'tokenizer.json, tokenizer_config.json (with chat_template, or a chat_template.jinja beside it) and config.json or generation_config.json (with eos_token_id)';

/**
 * Reads the text side of a Hugging Face model directory; weights are not looked at.
 *
 * @throws {ConfigurationError} `option-invalid` when the directory or a file in it is missing
 * @throws {BackendError} `checkpoint-unsupported` | `checkpoint-corrupt`
 */
export async function loadText(path: string): Promise<ModelText> {
  const directory = resolve(path);
  const names = { required: requiredTextFiles, optional: optionalTextFiles, expected };
  return await readText(await readModelFiles(directory, names), directory);
}

/**
 * Builds the text side from the contents of files, by name. A large vocabulary is built in pieces, which let others work.
 *
 * @param directory the directory that they come from, for errors
 */
export async function readText(files: ReadonlyMap<string, string>, directory: string): Promise<ModelText> {
  const json = (name: string): JsonObject => parseJson(files.get(name), join(directory, name));
  const tokenizerConfig = json('tokenizer_config.json');
  const tokenizer = await Tokenizer.load(files.get('tokenizer.json') ?? '', tokenizerConfig, directory);
  const template = findChatTemplate(files.get('chat_template.jinja'), tokenizerConfig, directory);
  return {
    directory,
    tokenizer,
    chatTemplate: template === undefined ? undefined : new ChatTemplate(template, tokenizerConfig),
    eosTokenIds: readEosTokenIds(files, json, tokenizerConfig, tokenizer, directory),
  };
}

/**
 * Returns the end tokens of `generation_config.json`, else of `config.json`, as in transformers, else the tokenizer's
 * `eos_token`. Sampling defaults of `generation_config.json` are not read: a request says what it wants.
 */
function readEosTokenIds(
  files: ReadonlyMap<string, string>,
  json: (name: string) => JsonObject,
  tokenizerConfig: JsonObject,
  tokenizer: Tokenizer,
  directory: string,
): readonly number[] {
  for (const name of ['generation_config.json', 'config.json']) {
    const ids = files.has(name) ? readTokenIds(json(name)['eos_token_id'], directory) : [];
    if (ids.length > 0) return ids;
  }
  const eosToken = readSpecialTokens(tokenizerConfig)['eos_token'];
  const id = eosToken === undefined ? undefined : tokenizer.idOf(eosToken);
  return id === undefined ? [] : [id];
}

/** Reads the ids of `eos_token_id`: a number, a list, or nothing. */
function readTokenIds(value: JsonValue | undefined, source: string): readonly number[] {
  const ids =
    value === undefined || value === null ? [] : Array.isArray(value) ? (value as readonly JsonValue[]) : [value];
  for (const id of ids) {
    if (typeof id !== 'number' || !Number.isSafeInteger(id) || id < 0)
      throw corrupt(source, `eos_token_id ${JSON.stringify(value)} is not a token id or a list of them`);
  }
  return ids as readonly number[];
}
