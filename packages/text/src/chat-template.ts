/** Chats → the text that the model was trained on, by the checkpoint's own Jinja template. */
import { BackendError, type ChatMessage, type JsonValue } from '@agent-lightning/core';
import { Template } from '@huggingface/jinja';

import type { TokenizerJson } from './tokenizer.ts';

/** A checkpoint's chat template, parsed. */
export class ChatTemplate {
  readonly #template: Template;
  readonly #mentionsTools: boolean;
  readonly #specialTokens: Readonly<Record<string, string>>;

  /**
   * @param source the Jinja text
   * @param tokenizerConfig where the template's `bos_token`, `eos_token` and the like come from
   * @throws {BackendError} `checkpoint-corrupt` when the template does not parse
   */
  constructor(source: string, tokenizerConfig: TokenizerJson) {
    try {
      this.#template = new Template(source);
    } catch (cause) {
      throw new BackendError(`The chat template does not parse: ${String(cause)}`, {
        code: 'checkpoint-corrupt',
        cause,
      });
    }
    this.#mentionsTools = /\btools\b/.test(source);
    this.#specialTokens = readSpecialTokens(tokenizerConfig);
  }

  /**
   * The prompt, up to where the assistant's answer begins.
   *
   * @throws {BackendError} `option-unsupported` for tools that the template would drop; `rows-invalid` for messages that it
   *   refuses or that hold anything but text
   */
  render(messages: readonly ChatMessage[], tools: readonly JsonValue[] = []): string {
    if (tools.length > 0 && !this.#mentionsTools) {
      throw new BackendError(
        `The request has ${tools.length} tools, and this model's chat template never mentions \`tools\`: they would be dropped. Use a model whose template renders tools, or describe them in a message.`,
        { code: 'option-unsupported' },
      );
    }
    const variables = {
      ...this.#specialTokens,
      messages: messages.map(toTemplateMessage),
      tools: tools.length > 0 ? tools : null,
      add_generation_prompt: true,
    };
    try {
      return this.#template.render(variables);
    } catch (cause) {
      throw new BackendError(`The chat template refused the messages: ${String(cause)}`, {
        code: 'rows-invalid',
        cause,
      });
    }
  }
}

/**
 * Finds the template of a checkpoint: `chat_template.jinja`, else `chat_template` in `tokenizer_config.json` (a text, or a
 * list of named ones, of which `default` is taken).
 */
export function findChatTemplate(jinjaFile: string | undefined, tokenizerConfig: TokenizerJson): string | undefined {
  if (jinjaFile !== undefined) return jinjaFile;
  const entry = tokenizerConfig['chat_template'];
  if (typeof entry === 'string') return entry;
  if (!Array.isArray(entry)) return undefined;
  const named = (entry as readonly JsonValue[]).find((item) => (item as TokenizerJson | null)?.['name'] === 'default');
  const template = (named as TokenizerJson | undefined)?.['template'];
  return typeof template === 'string' ? template : undefined;
}

/** As inference servers hand messages to templates: text parts joined by newlines, a call's arguments parsed. */
function toTemplateMessage(message: ChatMessage, index: number): Record<string, JsonValue | undefined> {
  const toolCalls = message['tool_calls'];
  return {
    ...message,
    content: flattenContent(message.content, index),
    ...(Array.isArray(toolCalls) ? { tool_calls: (toolCalls as readonly JsonValue[]).map(parseArguments) } : {}),
  };
}

function flattenContent(content: JsonValue | undefined, index: number): string {
  if (content === undefined || content === null) return '';
  if (typeof content === 'string') return content;
  const parts: readonly JsonValue[] = Array.isArray(content) ? content : [content];
  return parts.map((part) => textOf(part, index)).join('\n');
}

function textOf(part: JsonValue, index: number): string {
  if (typeof part === 'string') return part;
  const { type, text } = (typeof part === 'object' && part !== null && !Array.isArray(part) ? part : {}) as Record<
    string,
    JsonValue
  >;
  if (type === 'text' && typeof text === 'string') return text;
  throw new BackendError(
    `messages[${index}].content has a part of type ${JSON.stringify(type ?? null)}; this engine reads text only.`,
    { code: 'rows-invalid' },
  );
}

function parseArguments(call: JsonValue): JsonValue {
  const { function: called, ...rest } = call as { readonly [key: string]: JsonValue } & {
    readonly function?: Record<string, JsonValue>;
  };
  const text = called?.['arguments'];
  if (called === undefined || typeof text !== 'string') return call;
  let parsed: JsonValue;
  try {
    parsed = JSON.parse(text) as JsonValue;
  } catch {
    parsed = text; // a model can write broken arguments; the next prompt shows them as they were
  }
  return { ...rest, function: { ...called, arguments: parsed } };
}

/** The special tokens that `tokenizer_config.json` names, such as `bos_token`, by their field. */
export function readSpecialTokens(tokenizerConfig: TokenizerJson): Record<string, string> {
  const tokens: Record<string, string> = {};
  for (const name of ['bos_token', 'eos_token', 'unk_token', 'pad_token', 'sep_token', 'cls_token', 'mask_token']) {
    const entry = tokenizerConfig[name];
    const content =
      typeof entry === 'object' && entry !== null && !Array.isArray(entry)
        ? (entry as TokenizerJson)['content']
        : entry;
    if (typeof content === 'string') tokens[name] = content;
  }
  return tokens;
}
