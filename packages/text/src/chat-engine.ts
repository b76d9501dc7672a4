/** Turns any sampler of tokens into an engine that answers chats. */
import {
  BackendError,
  check,
  TimeoutError,
  type GenerateEvent,
  type GenerateRequest,
  type SamplingEngine,
  type ToolCallFormat,
} from '@agent-lightning/core';

import { ChoiceText } from './choice-text.ts';
import { planGeneration } from './generation-plan.ts';
import type { ModelText } from './model-text.ts';
import type { Tokenizer } from './tokenizer.ts';
import { endsInThought, hasChannels, marksOf } from './tool-calls/tool-call-reader.ts';

/** A checked request for a sampler of tokens; only the seed may be absent. */
export interface TokenRequest {
  /** Shape (P,), P ≥ 1: token ids. */
  readonly prompt: Int32Array;
  /** Independent continuations of the one prompt. */
  readonly choices: number;
  /** 0 is greedy. */
  readonly temperature: number;
  /** The most tokens of an answer, at least 1; prompt and answer fit the context. */
  readonly maxTokens: number;
  /** A choice ends after sampling one of these; it is the last of its tokens. */
  readonly stopTokens: readonly number[];
  /** Texts at which a choice is cut, even if the sampler ignores them; a sampler that ends there saves work. */
  readonly stop: readonly string[];
  /** An integer of at least 0; absent when the sampler is to draw one. */
  readonly seed: number | undefined;
}

/** Some tokens of one choice. */
export interface TokenPiece {
  /** Index of the choice, from 0. */
  readonly choice: number;
  /** Shape (n,): token ids. */
  readonly tokens: Int32Array;
  /** Shape (n,), nats, of the distribution that was sampled from. */
  readonly logprobs: Float32Array;
  /** Present on the last piece of a choice. */
  readonly finish?: 'stop' | 'length';
}

/**
 * Samples tokens, piece by piece or all at once.
 *
 * The `signal` aborts when the call is over: the caller left, or every choice has met a stop text.
 */
export type TokenSampler = (
  request: TokenRequest,
  signal: AbortSignal,
) => AsyncIterable<TokenPiece> | Promise<Iterable<TokenPiece>>;

export interface ChatEngineOptions {
  readonly text: ModelText;
  /** The most tokens that prompt and answer may have together. */
  readonly contextLength: number;
  /** Ids of a prompt are below this. @default the tokenizer's vocabulary */
  readonly vocabularySize?: number;
  readonly sample: TokenSampler;
}

/**
 * Makes a sampler of tokens answer chats and prompts: renders and encodes what is asked, decodes what is sampled, and cuts
 * it at stop texts.
 *
 * @throws {ConfigurationError} `option-invalid` for a length or vocabulary that is no positive integer
 */
export function createChatEngine(options: ChatEngineOptions): SamplingEngine {
  check.knownOptions('createChatEngine', options, ['text', 'contextLength', 'vocabularySize', 'sample']);
  for (const name of ['contextLength', 'vocabularySize'] as const) {
    const value = options[name];
    if (value !== undefined) check.wholeNumber(`createChatEngine: ${name}`, value);
  }
  return new ChatEngine(options);
}

class ChatEngine implements SamplingEngine {
  readonly contextLength: number;
  readonly toolCallFormat: ToolCallFormat | undefined;
  readonly #options: ChatEngineOptions;
  /** The marks of the format that are special tokens, by id, and so no text by themselves. */
  readonly #marks: ReadonlyMap<number, string>;

  constructor(options: ChatEngineOptions) {
    this.contextLength = options.contextLength;
    this.toolCallFormat = options.text.chatTemplate?.toolCallFormat;
    this.#options = options;
    this.#marks = findSpecialMarks(options.text.tokenizer, this.toolCallFormat);
  }

  async *generate(request: GenerateRequest, signal?: AbortSignal): AsyncGenerator<GenerateEvent, void, undefined> {
    requireNotAborted(signal);
    const { text, contextLength, vocabularySize = text.tokenizer.vocabularySize } = this.#options;
    const plan = planGeneration(request, text, { contextLength, vocabularySize });
    const sampling = new AbortController();
    const abort = (): void => sampling.abort(signal?.reason);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      yield { type: 'prompt', tokens: plan.prompt, ...(this.#isThinking(plan.prompt) ? { isThinking: true } : {}) };
      yield* this.#answer(plan, this.#marksFor(request.input), sampling.signal);
      requireNotAborted(signal);
    } catch (error) {
      requireNotAborted(signal); // a sampler may end in its own way when it is aborted; what counts is that it was
      throw error;
    } finally {
      signal?.removeEventListener('abort', abort);
      sampling.abort();
    }
  }

  #isThinking(prompt: Int32Array): boolean {
    const { tokenizer } = this.#options.text;
    if (this.toolCallFormat === undefined) return false;
    const tail = Array.from(prompt.subarray(-longestThoughtMark), (token) => tokenizer.textOf(token));
    return endsInThought(this.toolCallFormat, tail.join(''));
  }

  /** Returns the marks that stay in the text of an answer: none unless a reader of tool calls or thoughts will take them out. */
  #marksFor(input: GenerateRequest['input']): ReadonlyMap<number, string> {
    const format = this.toolCallFormat;
    if (format === undefined || !('messages' in input)) return new Map();
    return (input.tools ?? []).length > 0 || hasChannels(format) ? this.#marks : new Map();
  }

  async *#answer(
    plan: TokenRequest,
    marks: ReadonlyMap<number, string>,
    signal: AbortSignal,
  ): AsyncGenerator<GenerateEvent, void, undefined> {
    const { tokenizer } = this.#options.text;
    const choices = Array.from(
      { length: plan.choices },
      () => new ChoiceText(tokenizer, plan.stop, plan.stopTokens, marks),
    );
    let open = plan.choices;
    for await (const piece of await this.#options.sample(plan, signal)) {
      const choice = choices[piece.choice];
      requirePiece(piece, plan.choices);
      if (choice === undefined || choice.ended) continue; // a stop text ended it while the sampler went on
      yield* eventsOfPiece(piece, choice);
      if (choice.ended) open -= 1;
      if (open === 0) return;
    }
    if (open > 0 && !signal.aborted) throw samplerError(`ended with ${open} of ${plan.choices} choices unfinished`);
  }
}

/** The most tokens that a mark and the blanks behind it have at the end of a prompt. */
const longestThoughtMark = 16;

/** Returns those marks of a format that the tokenizer has as special tokens, which decoding leaves out. */
function findSpecialMarks(tokenizer: Tokenizer, format: ToolCallFormat | undefined): ReadonlyMap<number, string> {
  const marks = new Map<number, string>();
  for (const mark of format === undefined ? [] : marksOf(format)) {
    const id = tokenizer.idOf(mark);
    if (id !== undefined && tokenizer.decode([id]) === '') marks.set(id, mark);
  }
  return marks;
}

function* eventsOfPiece(piece: TokenPiece, choice: ChoiceText): Generator<GenerateEvent, void, undefined> {
  const { text, tokens, stopped } = choice.push(piece.tokens, piece.finish !== undefined);
  yield {
    type: 'piece',
    choice: piece.choice,
    text,
    tokens: piece.tokens.subarray(0, tokens),
    logprobs: piece.logprobs.subarray(0, tokens),
  };
  if (choice.ended) yield { type: 'finish', choice: piece.choice, reason: stopped ? 'stop' : (piece.finish ?? 'stop') };
}

function requirePiece(piece: TokenPiece, choices: number): void {
  if (!(Number.isInteger(piece.choice) && piece.choice >= 0 && piece.choice < choices))
    throw samplerError(`answered choice ${piece.choice} of ${choices}`);
  if (piece.tokens.length !== piece.logprobs.length)
    throw samplerError(`gave ${piece.tokens.length} tokens with ${piece.logprobs.length} log-probabilities`);
}

function samplerError(problem: string): BackendError {
  return new BackendError(`The token sampler ${problem}.`, { code: 'backend-failed' });
}

function requireNotAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw new TimeoutError('The generation was cancelled by its signal.', { code: 'cancelled', cause: signal.reason });
}
