import { isLogprob, type ChatMessage } from '@agent-lightning/core';
import { GrowingArray } from './growing-array.ts';
import { MessageDraft } from './reply-message.ts';

/** The reply to one model call, in one form for every dialect, streamed or not. */
export interface ModelReply {
  readonly id: string | undefined;
  /** The model's name as the upstream gave it. */
  readonly model: string | undefined;
  /** The prompt's token ids, of shape (P,). */
  readonly promptIds: Int32Array | undefined;
  /** The choices in order of their index, as many as were asked for. */
  readonly choices: readonly ReplyChoice[];
  readonly usage: ReplyUsage | undefined;
  /** The reason why ids or log-probabilities are invalid in themselves; undefined when they are valid. */
  readonly malformed: string | undefined;
}

export interface ReplyChoice {
  readonly message: ChatMessage;
  /** The reason why the choice ended; undefined when it never did. */
  readonly finishReason: string | undefined;
  /** The sampled token ids, of shape (T,); undefined when the upstream sent none. */
  readonly tokens: Int32Array | undefined;
  /** Their log-probabilities in nats, of shape (T,); undefined when the upstream sent none. */
  readonly logprobs: Float32Array | undefined;
}

/** Tokens as the upstream counted them, over all choices. */
export interface ReplyUsage {
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Those of the input tokens that were read from a cache; undefined where there are none. */
  readonly cachedTokens?: number;
}

/** One choice while it comes. */
export class ChoiceDraft {
  readonly message: MessageDraft = new MessageDraft();
  readonly tokens: GrowingArray<Int32Array> = new GrowingArray((length) => new Int32Array(length));
  readonly logprobs: GrowingArray<Float32Array> = new GrowingArray((length) => new Float32Array(length));
  isBegun = false;
  finishReason: string | undefined;

  toChoice(): ReplyChoice {
    return {
      message: this.message.toMessage(),
      finishReason: this.finishReason,
      tokens: this.tokens.length > 0 ? this.tokens.toArray() : undefined,
      logprobs: this.logprobs.length > 0 ? this.logprobs.toArray() : undefined,
    };
  }
}

const largestTokenId = 2_147_483_647;

/** Gathers a reply while it comes, so that what was there is known when it breaks. */
export class ReplyDraft {
  readonly #choices: ChoiceDraft[];
  #promptIds: Int32Array | undefined;
  #malformed: string | undefined;
  #firstTokenAtMs: number | undefined;
  id: string | undefined;
  model: string | undefined;
  usage: ReplyUsage | undefined;

  constructor(choices: number) {
    this.#choices = Array.from({ length: choices }, () => new ChoiceDraft());
  }

  /** Returns `performance.now()` of when the first piece of any choice came. */
  get firstTokenAtMs(): number | undefined {
    return this.#firstTokenAtMs;
  }

  /** Tells whether at least one choice began and every one that began has ended. */
  get isFinished(): boolean {
    const begun = this.#choices.filter((choice) => choice.isBegun);
    return begun.length > 0 && begun.every((choice) => choice.finishReason !== undefined);
  }

  /** Returns the draft of a choice, or undefined for an index that was not asked for. */
  choice(index: number): ChoiceDraft | undefined {
    const choice = this.#choices[index];
    if (choice !== undefined) choice.isBegun = true;
    return choice;
  }

  /** Returns the number of token ids so far, over all choices. */
  get sampledTokens(): number {
    return this.#choices.reduce((sum, choice) => sum + choice.tokens.length, 0);
  }

  get promptLength(): number {
    return this.#promptIds?.length ?? 0;
  }

  markFirstToken(): void {
    this.#firstTokenAtMs ??= performance.now();
  }

  setPrompt(tokens: ArrayLike<number>): void {
    this.#promptIds = tokens instanceof Int32Array ? tokens : Int32Array.from(this.#checkedIds(tokens, 'prompt', 0));
  }

  addTokens(index: number, ids: ArrayLike<number>): void {
    const choice = this.#choices[index];
    if (choice === undefined) return;
    choice.tokens.append(ids instanceof Int32Array ? ids : this.#checkedIds(ids, 'response', choice.tokens.length));
  }

  /** Adds token ids as `addTokens` does, and keeps an array that is the first without copying it. */
  adoptTokens(index: number, ids: Int32Array): void {
    this.#choices[index]?.tokens.adopt(ids);
  }

  addLogprobs(index: number, logprobs: ArrayLike<number>): void {
    this.#checkLogprobs(index, logprobs)?.logprobs.append(logprobs);
  }

  /** Adds log-probabilities as `addLogprobs` does, and keeps an array that is the first without copying it. */
  adoptLogprobs(index: number, logprobs: Float32Array): void {
    this.#checkLogprobs(index, logprobs)?.logprobs.adopt(logprobs);
  }

  #checkLogprobs(index: number, logprobs: ArrayLike<number>): ChoiceDraft | undefined {
    const choice = this.#choices[index];
    if (choice === undefined) return undefined;
    for (let position = 0; position < logprobs.length; position += 1) {
      const value = logprobs[position];
      if (typeof value === 'number' && isLogprob(value)) continue;
      const place = `log-probability ${choice.logprobs.length + position} of choice ${index}`;
      // Every reader keeps it in 32 bits.
      this.markMalformed(`${place} is ${typeof value === 'number' ? Math.fround(value) : String(value)}`);
    }
    return choice;
  }

  markMalformed(reason: string): void {
    this.#malformed ??= reason;
  }

  toReply(): ModelReply {
    return {
      id: this.id,
      model: this.model,
      promptIds: this.#promptIds,
      choices: this.#choices.map((choice) => choice.toChoice()),
      usage: this.usage,
      malformed: this.#malformed,
    };
  }

  #checkedIds(ids: ArrayLike<number>, name: string, offset: number): ArrayLike<number> {
    for (let position = 0; position < ids.length; position += 1) {
      const id = ids[position] as number;
      if (!(Number.isInteger(id) && id >= 0 && id <= largestTokenId))
        this.markMalformed(`${name} token id ${offset + position} is ${String(id)}`);
    }
    return ids;
  }
}
