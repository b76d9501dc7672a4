/** Converts between text and token ids, as the checkpoint's `tokenizer.json` defines them. */
import type { JsonValue } from '@agent-lightning/core';
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';

import { BytePairModel } from './byte-pair-model.ts';
import { corrupt, unsupported, type JsonObject } from './model-files.ts';
import { runWithin } from './time-limit.ts';
import { readTokenizerFile } from './tokenizer-file.ts';
import { mayBacktrack } from './tokenizer-patterns.ts';
import { Vocabulary } from './vocabulary.ts';

/** The content of `tokenizer.json` or `tokenizer_config.json`. */
export type TokenizerJson = JsonObject;

/** The kind of model that `tokenizer.json` must have: byte pairs, whose decoding is tested here. */
const supportedModel = 'BPE';
const supportedDecoders = ['ByteLevel', 'Metaspace', 'ByteFallback', 'Fuse', 'Replace', 'Strip', 'Sequence'] as const;

/** The time that encoding a text may take: a slow machine under load encodes a thousand characters in a millisecond. */
const freeMs = 2_000;
const charactersPerMs = 50;

/** A byte-pair tokenizer; the same ids as the Python tokenizers for the same file. */
export class Tokenizer {
  /** Ids are below this; the model's vocabulary may be larger (padding), never smaller. */
  readonly vocabularySize: number;
  /** The most characters of a text that one token stands for. */
  readonly longestToken: number;
  readonly #source: string;
  readonly #tokenizer: HuggingFaceTokenizer;
  readonly #vocabulary: Vocabulary;
  /** Ids of special tokens, which have no text. */
  readonly #special: ReadonlySet<number>;
  /** True when encoding is ended after a time. Watching costs a thread each time, as long as encoding a chat. */
  readonly #isWatched: boolean;

  /**
   * Builds a tokenizer at once, which takes about a second for a vocabulary of 200,000 tokens; {@link load} lets others work meanwhile.
   *
   * @param vocabulary the tokens and merges, where they were read apart from `tokenizerJson`
   * @throws {BackendError} `checkpoint-corrupt` | `checkpoint-unsupported`
   */
  constructor(tokenizerJson: TokenizerJson, tokenizerConfig: TokenizerJson, source: string, vocabulary?: Vocabulary) {
    requireSupported(tokenizerJson, source);
    this.#source = source;
    const model = tokenizerJson['model'] as TokenizerJson;
    this.#vocabulary = vocabulary ?? readVocabulary(model, source);
    try {
      this.#tokenizer = createTokenizer(tokenizerJson, tokenizerConfig, this.#vocabulary);
    } catch (cause) {
      throw corrupt(source, `tokenizer.json cannot be used: ${String(cause)}`, cause);
    }
    const special = readAddedTokens(tokenizerJson).filter((token) => token.special === true);
    const named = asArray(tokenizerConfig['additional_special_tokens']).map((token) => this.idOf(String(token)));
    this.#special = new Set([...special.map(({ id }) => id), ...named.filter((id) => id !== undefined)]);
    let longest = 1;
    for (const token of this.#vocabulary.tokens) longest = Math.max(longest, token?.length ?? 0);
    this.longestToken = longest;
    this.vocabularySize = this.#vocabulary.tokens.length;
    this.#isWatched = mayBacktrack(tokenizerJson['normalizer']) || mayBacktrack(tokenizerJson['pre_tokenizer']);
  }

  /**
   * Builds a tokenizer from the text of its `tokenizer.json`, in pieces, so that the event loop is not held.
   *
   * @throws {BackendError} `checkpoint-corrupt` | `checkpoint-unsupported`
   */
  static async load(tokenizerText: string, tokenizerConfig: TokenizerJson, source: string): Promise<Tokenizer> {
    const { json, vocabulary } = await readTokenizerFile(tokenizerText, source, (content) =>
      requireSupported(content, source),
    );
    return new Tokenizer(json, tokenizerConfig, source, vocabulary);
  }

  /**
   * Returns the ids of a text, shape (T,). Special tokens written out in the text, such as `<|im_end|>`, become their ids.
   *
   * @param addSpecialTokens whether the tokenizer's own frame (such as a leading `<s>`) is put around the text: yes for a
   *   bare prompt, no for a rendered chat, whose template writes the frame itself
   */
  encode(text: string, addSpecialTokens: boolean): Int32Array {
    const encode = (): Int32Array =>
      Int32Array.from(this.#tokenizer.encode(text, { add_special_tokens: addSpecialTokens }).ids);
    if (!this.#isWatched) return encode();
    const limitMs = freeMs + text.length / charactersPerMs;
    return runWithin(limitMs, encode, () => {
      throw unsupported(
        this.#source,
        `tokenizer.json: a text of ${text.length} characters took longer than ${Math.ceil(limitMs)} ms to encode; a regular expression of its normalizer or pre_tokenizer backtracks, or this machine has no time to run`,
      );
    });
  }

  /** Returns the text of tokens, without special tokens; an id that has no text (vocabulary padding) gives none. */
  decode(tokens: ArrayLike<number>): string {
    const spoken = Array.from(tokens).filter((id) => this.hasText(id));
    // The library would look for each token in its list of special ones, which some models have thousands of.
    return spoken.length === 0 ? '' : this.#tokenizer.decode(spoken, { skip_special_tokens: false });
  }

  /** Tells whether a token can have a text: special tokens and unknown ids have none. */
  hasText(token: number): boolean {
    return this.#vocabulary.tokens[token] !== undefined && !this.#special.has(token);
  }

  /** Returns the text of one token for people: special tokens are spelt out, a part of a character is a replacement character. */
  textOf(token: number): string {
    if (this.#vocabulary.tokens[token] === undefined) return '';
    return this.#tokenizer.decode([token], { skip_special_tokens: false });
  }

  /** Returns the id of one token as the vocabulary spells it, such as `<|im_end|>`. */
  idOf(token: string): number | undefined {
    return this.#vocabulary.ids.get(token);
  }
}

/** Makes the library's tokenizer around our model; its own would be built from the whole vocabulary at once. */
function createTokenizer(json: TokenizerJson, config: TokenizerJson, vocabulary: Vocabulary): HuggingFaceTokenizer {
  const model = { ...(json['model'] as TokenizerJson), vocab: {}, merges: [] };
  const tokenizer = new HuggingFaceTokenizer({ ...json, model }, { ...config, clean_up_tokenization_spaces: false });
  tokenizer.model = new BytePairModel(model, vocabulary);
  for (const { content, id } of readAddedTokens(json)) vocabulary.addToken(content, id);
  return tokenizer;
}

interface AddedToken {
  readonly content: string;
  readonly id: number;
  readonly special?: boolean;
}

function readAddedTokens(json: TokenizerJson): readonly AddedToken[] {
  return asArray(json['added_tokens']) as unknown as readonly AddedToken[];
}

function readVocabulary(model: TokenizerJson, source: string): Vocabulary {
  const vocabulary = new Vocabulary(source);
  vocabulary.addTokens((model['vocab'] ?? {}) as TokenizerJson);
  vocabulary.addMerges(asArray(model['merges']));
  return vocabulary;
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
    // Decoding happens token by token, where no time can be watched.
    if (type === 'Replace' && field(field(part, 'pattern'), 'Regex') !== undefined)
      throw unsupported(source, 'tokenizer.json: a Replace decoder has a regular expression; only a text is supported');
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
