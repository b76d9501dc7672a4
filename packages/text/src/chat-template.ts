/** Renders chats as the text that the model was trained on, with the checkpoint's own Jinja template. */
import { join } from 'node:path';

import { BackendError, type ChatMessage, type JsonValue, type ToolCallFormat } from '@agent-lightning/core';

import { JinjaTemplate } from './jinja-template.ts';
import type { TokenizerJson } from './tokenizer.ts';
import {
  detectTaughtFormat,
  detectToolCallFormat,
  explainUnknownFormat,
  type RenderChat,
} from './tool-calls/detect-format.ts';
import { moveCallsIntoContent, type TaughtFormat } from './tool-calls/taught-format.ts';

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

/** A model's chat template, parsed. */
export class ChatTemplate {
  /** The format in which the template writes tool calls; undefined where it writes none, or in a format that is not known here. */
  readonly toolCallFormat: ToolCallFormat | undefined;
  /** The format of calls in a content; undefined for a template that writes calls itself. */
  readonly #taughtFormat: TaughtFormat | undefined;
  readonly #name: string;
  readonly #template: JinjaTemplate;
  /** The template for chats with tools; undefined when the template would drop them. */
  readonly #toolTemplate: JinjaTemplate | undefined;
  readonly #specialTokens: Readonly<Record<string, string>>;

  /**
   * @param source the Jinja text
   * @param tokenizerConfig where the template's `bos_token`, `eos_token` and the like come from
   * @throws {BackendError} `checkpoint-corrupt` when the template does not parse, `checkpoint-unsupported` for an unknown statement
   */
  constructor(source: ChatTemplateSource, tokenizerConfig: TokenizerJson) {
    const { template, toolTemplate = template, name, now = () => new Date() } = source;
    this.#name = name;
    this.#specialTokens = readSpecialTokens(tokenizerConfig);
    this.#template = new JinjaTemplate(template, name, now);
    this.#toolTemplate = /\b(?:xml_)?tools\b/.test(toolTemplate)
      ? new JinjaTemplate(toolTemplate, name, now)
      : undefined;
    const fill: RenderChat = (...chat) => this.#fill(...chat);
    this.toolCallFormat = detectToolCallFormat(fill);
    this.#taughtFormat = detectTaughtFormat(fill);
  }

  /**
   * Returns the prompt, up to where the assistant's answer begins.
   *
   * @throws {BackendError} `option-unsupported` for tools that the template would drop, or whose calls could not be read;
   *   `samples-invalid` for messages that it refuses or that hold anything but text; `checkpoint-unsupported` where it needs Jinja
   *   that is not supported here
   */
  render(messages: readonly ChatMessage[], tools: readonly JsonValue[] = []): string {
    if (tools.length > 0) this.#requireTools(tools.length);
    return this.#fill(this.#showCalls(messages), tools, true);
  }

  /** Moves calls into the content where the template would leave them out of the history. */
  #showCalls(messages: readonly ChatMessage[]): readonly ChatMessage[] {
    const taught = this.#taughtFormat;
    return taught === undefined
      ? messages
      : messages.map((message, index) => moveCallsIntoContent(message, index, taught));
  }

  #requireTools(count: number): void {
    const problem =
      this.#toolTemplate === undefined
        ? 'it never mentions `tools`: they would be dropped'
        : this.toolCallFormat === undefined
          ? explainUnknownFormat((...chat) => this.#fill(...chat))
          : undefined;
    if (problem === undefined) return;
    throw new BackendError(
      `The request has ${count} tools and ${this.#name} cannot take them: ${problem}. Use a template that writes calls in one of the formats that the README of @agent-lightning/text lists, or describe the tools in a message and read the answer yourself.`,
      { code: 'option-unsupported' },
    );
  }

  #fill(messages: readonly ChatMessage[], tools: readonly JsonValue[], addGenerationPrompt: boolean): string {
    const template = tools.length > 0 ? (this.#toolTemplate ?? this.#template) : this.#template;
    return template.render({
      ...this.#specialTokens,
      messages: messages.map(toTemplateMessage),
      tools: tools.length > 0 ? tools : null,
      xml_tools: tools.length > 0 ? tools : null, // the name that SmolLM3's template has for them
      documents: null,
      add_generation_prompt: addGenerationPrompt,
    });
  }
}

/**
 * Finds the template of a model: `chat_template.jinja`, else `chat_template` in `tokenizer_config.json`: a text, or a list of
 * named ones, of which `default` is taken, and `tool_use` for chats with tools.
 *
 * @param directory of the model; names the template in errors
 */
export function findChatTemplate(
  jinjaFile: string | undefined,
  tokenizerConfig: TokenizerJson,
  directory: string,
): ChatTemplateSource | undefined {
  if (jinjaFile !== undefined) return { template: jinjaFile, name: join(directory, 'chat_template.jinja') };
  const entry = tokenizerConfig['chat_template'];
  const name = `the chat template in ${join(directory, 'tokenizer_config.json')}`;
  if (typeof entry === 'string') return { template: entry, name };
  if (!Array.isArray(entry)) return undefined;
  const named = (wanted: string): string | undefined => {
    const item = (entry as readonly (TokenizerJson | null)[]).find((candidate) => candidate?.['name'] === wanted);
    return typeof item?.['template'] === 'string' ? item['template'] : undefined;
  };
  const template = named('default');
  return template === undefined ? undefined : { template, toolTemplate: named('tool_use'), name };
}

/** Prepares a message for a template as inference servers do: text parts joined by newlines, a call's arguments parsed. */
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
    { code: 'samples-invalid' },
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

/** Returns the special tokens that `tokenizer_config.json` names, such as `bos_token`, by their field. */
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
