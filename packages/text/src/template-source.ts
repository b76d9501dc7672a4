/** Finds a model's chat template and special tokens in its files. */
import { join } from 'node:path';

import type { JsonValue } from '@agent-lightning/core';

import type { JsonObject } from './model-files.ts';

/** The Jinja sources of a model's chat template. */
export interface ChatTemplateSource {
  readonly template: string;
  /** The template for chats with tools, where the model has one of its own for them. */
  readonly toolTemplate?: string | undefined;
  /** Names the template in errors, such as by its file. */
  readonly name: string;
  /** The time that `strftime_now` shows. @default the clock */
  readonly now?: () => Date;
}

/**
 * Finds the template of a model: `chat_template.jinja`, else `chat_template` in `tokenizer_config.json`: a text, or a list of
 * named ones, of which `default` is taken, and `tool_use` for chats with tools.
 *
 * @param directory of the model; names the template in errors
 */
export function findChatTemplate(
  jinjaFile: string | undefined,
  tokenizerConfig: JsonObject,
  directory: string,
): ChatTemplateSource | undefined {
  if (jinjaFile !== undefined) return { template: jinjaFile, name: join(directory, 'chat_template.jinja') };
  const entry = tokenizerConfig['chat_template'];
  const name = `the chat template in ${join(directory, 'tokenizer_config.json')}`;
  if (typeof entry === 'string') return { template: entry, name };
  if (!Array.isArray(entry)) return undefined;
  const named = (wanted: string): string | undefined => {
    const item = (entry as readonly (JsonObject | null)[]).find((candidate) => candidate?.['name'] === wanted);
    return typeof item?.['template'] === 'string' ? item['template'] : undefined;
  };
  const template = named('default');
  return template === undefined ? undefined : { template, toolTemplate: named('tool_use'), name };
}

const tokenNames = ['bos_token', 'eos_token', 'unk_token', 'pad_token', 'sep_token', 'cls_token', 'mask_token'];

/** Returns the special tokens that `tokenizer_config.json` names, such as `bos_token`, by their field. */
export function readSpecialTokens(tokenizerConfig: JsonObject): Record<string, string> {
  const tokens: Record<string, string> = {};
  for (const name of tokenNames) {
    const content = contentOf(tokenizerConfig[name]);
    if (typeof content === 'string') tokens[name] = content;
  }
  return tokens;
}

function contentOf(entry: JsonValue | undefined): JsonValue | undefined {
  return typeof entry === 'object' && entry !== null && !Array.isArray(entry)
    ? (entry as JsonObject)['content']
    : entry;
}
