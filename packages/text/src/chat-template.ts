/** Renders chats as the text that the model was trained on, with the checkpoint's own Jinja template. */
import { BackendError, type ChatMessage, type JsonValue, type ToolCallFormat } from '@agent-lightning/core';

import { JinjaTemplate } from './jinja-template.ts';
import { toValue } from './jinja/to-value.ts';
import type { Value } from './jinja/values.ts';
import { toTemplateMessage, type ContentShapes } from './template-messages.ts';
import { readSpecialTokens, type ChatTemplateSource } from './template-source.ts';
import type { TokenizerJson } from './tokenizer.ts';
import {
  detectTaughtFormat,
  detectToolCallFormat,
  explainUnknownFormat,
  type RenderChat,
} from './tool-calls/detect-format.ts';
import { moveCallsIntoContent, type TaughtFormat } from './tool-calls/taught-format.ts';

/** A parsed template, and the shapes of content that it reads. */
interface ShapedTemplate {
  readonly jinja: JinjaTemplate;
  readonly shapes: ContentShapes;
}

/** A model's chat template, parsed. */
export class ChatTemplate {
  /** The format in which the template writes tool calls; undefined where it writes none, or in a format that is not known here. */
  readonly toolCallFormat: ToolCallFormat | undefined;
  /** The format of calls in a content; undefined for a template that writes calls itself. */
  readonly #taughtFormat: TaughtFormat | undefined;
  readonly #name: string;
  readonly #template: ShapedTemplate;
  /** The template for chats with tools; undefined when the template would drop them. */
  readonly #toolTemplate: ShapedTemplate | undefined;
  readonly #specialTokens: Readonly<Record<string, string>>;

  /**
   * @param source the Jinja text
   * @param tokenizerConfig where the template's `bos_token`, `eos_token` and the like come from
   * @throws {BackendError} `checkpoint-corrupt` when the template does not parse, `checkpoint-unsupported` for an unknown statement, or one that loops
   */
  constructor(source: ChatTemplateSource, tokenizerConfig: TokenizerJson) {
    const { template, toolTemplate = template, name, now = () => new Date() } = source;
    this.#name = name;
    this.#specialTokens = readSpecialTokens(tokenizerConfig);
    const shape = (text: string): ShapedTemplate => this.#shape(new JinjaTemplate(text, name, now));
    this.#template = shape(template);
    this.#toolTemplate = /\b(?:xml_)?tools\b/.test(toolTemplate) ? shape(toolTemplate) : undefined;
    const fill: RenderChat = (...chat) => this.fill(...chat);
    this.toolCallFormat = detectToolCallFormat(fill);
    this.#taughtFormat = detectTaughtFormat(fill);
    const endless = this.#template.jinja.endless ?? this.#toolTemplate?.jinja.endless;
    if (endless !== undefined) throw this.#endless(endless);
  }

  /** Returns the error for a template that does not end with a chat of a few words. */
  #endless(cause: unknown): BackendError {
    return new BackendError(
      `${this.#name} cannot be used: with a chat of a few words it does far more work than any needs, as a loop without end does`,
      { code: 'checkpoint-unsupported', cause },
    );
  }

  /**
   * Returns the prompt, up to where the assistant's answer begins.
   *
   * @throws {BackendError} `option-unsupported` for tools that the template would drop, or whose calls could not be read;
   *   `samples-invalid` for messages that it refuses, that hold anything but text, or a call's arguments that are no object;
   *   `checkpoint-unsupported` where it needs Jinja that is not supported here
   */
  render(messages: readonly ChatMessage[], tools: readonly JsonValue[] = []): string {
    if (tools.length > 0) this.#requireTools(tools.length);
    return this.fill(this.#showCalls(messages), tools);
  }

  /**
   * Returns the text that the template puts behind the prompt for an answer, up to the end of the chat; undefined where it shows the chat so
   * far otherwise once the answer is there, as when it drops what a model thought.
   *
   * @throws {BackendError} as {@link render}
   */
  renderAnswer(
    messages: readonly ChatMessage[],
    answer: ChatMessage,
    tools: readonly JsonValue[] = [],
  ): { readonly prompt: string; readonly answer: string | undefined } {
    const prompt = this.render(messages, tools);
    const whole = this.fill(this.#showCalls([...messages, answer]), tools, false);
    return { prompt, answer: whole.startsWith(prompt) ? whole.slice(prompt.length) : undefined };
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
          ? explainUnknownFormat((...chat) => this.fill(...chat))
          : undefined;
    if (problem === undefined) return;
    throw new BackendError(
      `The request has ${count} tools and ${this.#name} cannot take them: ${problem}. Use a template that writes calls in one of the formats that the README of @agent-lightning/text lists, or describe the tools in a message and read the answer yourself.`,
      { code: 'option-unsupported' },
    );
  }

  /**
   * Returns the text of a chat, also where tools would be dropped or an answer's calls could not be read here.
   *
   * @param addGenerationPrompt ends the text where the assistant's next answer begins
   * @throws {BackendError} as {@link render}, apart from `option-unsupported`
   */
  fill(messages: readonly ChatMessage[], tools: readonly JsonValue[] = [], addGenerationPrompt = true): string {
    const { jinja, shapes } = tools.length > 0 ? (this.#toolTemplate ?? this.#template) : this.#template;
    return this.#render(jinja, shapes, messages, tools, addGenerationPrompt);
  }

  #render(
    jinja: JinjaTemplate,
    shapes: ContentShapes,
    messages: readonly ChatMessage[],
    tools: readonly JsonValue[],
    addGenerationPrompt: boolean,
  ): string {
    const variables = new Map<string, Value>([
      ...Object.entries(this.#specialTokens),
      ['messages', messages.map((message, index) => toTemplateMessage(message, index, shapes))],
      ['tools', tools.length > 0 ? toValue(tools) : null],
      ['xml_tools', tools.length > 0 ? toValue(tools) : null], // the name that SmolLM3's template has for them
      ['documents', null],
      ['add_generation_prompt', addGenerationPrompt],
    ]);
    return jinja.render(variables);
  }

  /** Finds the shapes of content that a template reads, by letting it show a text and a list of two parts. */
  #shape(jinja: JinjaTemplate): ShapedTemplate {
    const [first, second] = ['Question7 one', 'Question7 two'];
    const show = (content: JsonValue, shapes: ContentShapes): string | undefined => {
      try {
        return this.#render(jinja, shapes, [{ role: 'user', content }], [], false);
      } catch (error) {
        if (jinja.endless !== undefined) throw this.#endless(error);
        return undefined; // it cannot show this shape, or refuses a chat as short as this
      }
    };
    const parts = [first, second].map((text) => ({ type: 'text', text }));
    const ofText = show(first, { takesText: true, takesParts: false });
    const ofParts = show(parts, { takesText: true, takesParts: true }) ?? '';
    // A template that prints a list as it is puts its texts into quotes.
    const takesParts = ofParts.includes(first) && ofParts.includes(second) && !/['"]Question7/.test(ofParts);
    return { jinja, shapes: { takesText: !takesParts || ofText?.includes(first) === true, takesParts } };
  }
}
