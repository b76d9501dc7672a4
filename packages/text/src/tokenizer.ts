/** Converts between text and token ids, as the checkpoint's `tokenizer.json` defines them. */
import type { JsonValue } from '@agent-lightning/core';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';

import { corrupt, unsupported, type JsonObject } from './model-files.ts';

/** The content of `tokenizer.json` or `tokenizer_config.json`. */
export type TokenizerJson = JsonObject;

/** The kind of model that `tokenizer.json` must have: byte pairs, whose decoding is tested here. */
const supportedModel = 'BPE';
const supportedDecoders = ['ByteLevel', 'Metaspace', 'ByteFallback', 'Fuse', 'Replace', 'Strip', 'Sequence'] as const;

/** A byte-pair tokenizer; the same ids as the Python tokenizers for the same file. */
export class Tokenizer {
  /** Ids are below this; the model's vocabulary may be larger (padding), never smaller. */
  readonly vocabularySize: number;
  /** The most characters of a text that one token stands for. */
  readonly longestToken: number;
  readonly #tokenizer: HuggingFaceTokenizer;
  readonly #known: ReadonlySet<number>;
  /** Known ids without the special ones. */
  readonly #spoken: ReadonlySet<number>;

  /** @throws {BackendError} `checkpoint-corrupt` | `checkpoint-unsupported` */
  constructor(tokenizerJson: TokenizerJson, tokenizerConfig: TokenizerJson, source: string) {
    requireSupported(tokenizerJson, source);
    try {
      this.#tokenizer = new HuggingFaceTokenizer(tokenizerJson, {
        ...tokenizerConfig,
        clean_up_tokenization_spaces: false,
      });
    } catch (cause) {
      throw corrupt(source, `tokenizer.json cannot be used: ${String(cause)}`, cause);
    }
    const vocabulary = this.#tokenizer.get_vocab();
    this.#known = new Set(vocabulary.values());
    const special = new Set(this.#tokenizer.special_tokens.map((token: string) => vocabulary.get(token)));
    this.#spoken = new Set([...this.#known].filter((id) => !special.has(id)));
    let [longest, largest] = [1, -1];
    for (const [token, id] of vocabulary) {
      longest = Math.max(longest, token.length);
      largest = Math.max(largest, id);
    }
    this.longestToken = longest;
    this.vocabularySize = largest + 1;
  }

  /**
   * Returns the ids of a text, shape (T,). Special tokens written out in the text, such as `<|im_end|>`, become their ids.
   *
   * @param addSpecialTokens whether the tokenizer's own frame (such as a leading `<s>`) is put around the text: yes for a
   *   bare prompt, no for a rendered chat, whose template writes the frame itself
   */
  encode(text: string, addSpecialTokens: boolean): Int32Array {
    return Int32Array.from(this.#tokenizer.encode(text, { add_special_tokens: addSpecialTokens }).ids);
  }

  /** Returns the text of tokens, without special tokens; an id that has no text (vocabulary padding) gives none. */
  decode(tokens: ArrayLike<number>): string {
    const spoken = Array.from(tokens).filter((id) => this.#spoken.has(id));
    // The tokenizer would look for each token in its list of special ones, which some models have thousands of.
    return spoken.length === 0 ? '' : this.#tokenizer.decode(spoken, { skip_special_tokens: false });
  }

  /** Tells whether a token can have a text: special tokens and unknown ids have none. */
  hasText(token: number): boolean {
    return this.#spoken.has(token);
  }

  /** Returns the text of one token for people: special tokens are spelt out, a part of a character is a replacement character. */
  textOf(token: number): string {
    return this.#known.has(token) ? this.#tokenizer.decode([token], { skip_special_tokens: false }) : '';
  }

  /** Returns the id of one token as the vocabulary spells it, such as `<|im_end|>`. */
  idOf(token: string): number | undefined {
    return this.#tokenizer.token_to_id(token);
  }
}

function requireSupported(tokenizerJson: TokenizerJson, source: string): void {
  const model = field(tokenizerJson['model'], 'type');
  if (model !== supportedModel) {
    throw unsupported(
      source,
      `tokenizer.json: model.type is ${JSON.stringify(model)}; only ${supportedModel} is supported`,
    );
  }
  const decoder = tokenizerJson['decoder'] ?? null;
  const parts = [decoder, ...asArray(field(decoder, 'decoders'))];
  for (const part of parts) {
    const type = field(part, 'type');
    if (!supportedDecoders.some((name) => name === type)) {
      throw unsupported(
        source,
        `tokenizer.json: decoder type is ${JSON.stringify(type ?? null)}; supported are ${supportedDecoders.join(', ')}`,
      );
    }
  }
}

function field(value: JsonValue | undefined, name: string): JsonValue | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as TokenizerJson)[name]
    : undefined;
}

function asArray(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? (value as readonly JsonValue[]) : [];
}
