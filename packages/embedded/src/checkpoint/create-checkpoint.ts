/** Creates a model directory with random weights, for scripts that train a model from nothing. */
import { resolve } from 'node:path';

import { check, ConfigurationError } from '@agent-lightning/core';
import { ChatTemplate, Tokenizer, type TokenizerJson } from '@agent-lightning/text';

import type { LlamaConfig } from '../model/llama-config.ts';
import { checkConfig } from '../model/model-checks.ts';
import { formatJson, saveCheckpoint } from './checkpoint.ts';
import { readModelConfig, writeModelConfig } from './model-config.ts';
import { randomWeights } from './random-weights.ts';

/** The size of a new model. */
export interface ModelShape {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly layers: number;
  /** Query heads. */
  readonly heads: number;
  /** @default heads */
  readonly keyValueHeads?: number;
  /** @default hiddenSize / heads */
  readonly headSize?: number;
  /** The longest sequence, in tokens. */
  readonly maxPositions: number;
  /** Embedding rows; at least the tokenizer's ids. @default the tokenizer's vocabulary */
  readonly vocabSize?: number;
  /** @default 10000 */
  readonly ropeTheta?: number;
  /** @default 1e-5 */
  readonly rmsNormEpsilon?: number;
  /** @default true */
  readonly tieWordEmbeddings?: boolean;
}

export interface CreateCheckpointOptions {
  /** A directory that is new, empty, or holds an earlier checkpoint, which is replaced. */
  readonly directory: string;
  /** The sizes of the model: layers, heads, widths, context. */
  readonly config: ModelShape;
  /** The content of `tokenizer.json`, such as `trainBytePairTokenizer` gives. */
  readonly tokenizer: TokenizerJson;
  /** Jinja, as in transformers; gets `messages`, `tools`, `add_generation_prompt` and the special tokens. */
  readonly chatTemplate: string;
  /** Tokens that end an answer, such as `<|im_end|>`; at least one. */
  readonly endTokens: readonly string[];
  /** The token that begins every sequence. @default none */
  readonly beginToken?: string;
  /** The token that fills up batches in other programs. @default the first end token */
  readonly padToken?: string;
  /** Seeds the weights. */
  readonly seed: number;
}

const optionNames: Readonly<Record<keyof CreateCheckpointOptions, true>> = {
  directory: true,
  config: true,
  tokenizer: true,
  chatTemplate: true,
  endTokens: true,
  beginToken: true,
  padToken: true,
  seed: true,
};

/**
 * Writes a whole model directory, atomically, in the ordinary layout that transformers and vLLM read.
 *
 * @throws {ConfigurationError} `option-invalid` for a token that the tokenizer lacks or a seed that is no integer
 * @throws {BackendError} `checkpoint-corrupt` | `checkpoint-unsupported` for sizes or a tokenizer that do not make a model
 */
export async function createCheckpoint(options: CreateCheckpointOptions): Promise<void> {
  check.knownOptions('createCheckpoint', options, optionNames);
  const { directory, seed, endTokens, beginToken, padToken = endTokens[0] } = options;
  if (!Number.isSafeInteger(seed)) throw check.optionInvalid('createCheckpoint: seed', seed, 'a whole number');
  if (endTokens.length === 0)
    throw new ConfigurationError('endTokens is empty; name at least one token that ends an answer.', {
      code: 'option-invalid',
    });
  const tokenizer = new Tokenizer(options.tokenizer, {}, 'options.tokenizer');
  const idOf = (token: string): number => requireToken(tokenizer, token);
  const tokens = {
    eos: endTokens.map(idOf),
    ...(beginToken === undefined ? {} : { bos: idOf(beginToken) }),
    ...(padToken === undefined ? {} : { pad: idOf(padToken) }),
  };
  const tokenizerConfig = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: beginToken ?? null,
    eos_token: endTokens[0] ?? null,
    pad_token: padToken ?? null,
    model_max_length: options.config.maxPositions,
    clean_up_tokenization_spaces: false,
    chat_template: options.chatTemplate,
  };
  void new ChatTemplate({ template: options.chatTemplate, name: 'options.chatTemplate' }, tokenizerConfig); // a template that does not parse is refused before anything is written
  const configJson = writeModelConfig(completeShape(options.config, tokenizer), tokens);
  const config = readModelConfig(configJson, 'options.config');
  checkConfig(config); // a model that this engine could not run is not written
  const generationConfig = {
    bos_token_id: configJson['bos_token_id'] ?? null,
    eos_token_id: configJson['eos_token_id'] ?? null,
    pad_token_id: configJson['pad_token_id'] ?? null,
  };
  const companions = new Map([
    ['config.json', formatJson(configJson)],
    ['generation_config.json', formatJson(generationConfig)],
    ['tokenizer.json', formatJson(options.tokenizer)],
    ['tokenizer_config.json', formatJson(tokenizerConfig)],
  ]);
  await saveCheckpoint(resolve(directory), config, companions, randomWeights(config, seed));
}

function completeShape(shape: ModelShape, tokenizer: Tokenizer): LlamaConfig {
  const vocabSize = shape.vocabSize ?? tokenizer.vocabularySize;
  if (vocabSize < tokenizer.vocabularySize) {
    throw new ConfigurationError(
      `config.vocabSize is ${vocabSize}; the tokenizer has ${tokenizer.vocabularySize} ids.`,
      { code: 'option-invalid' },
    );
  }
  return {
    keyValueHeads: shape.heads,
    headSize: shape.hiddenSize / shape.heads,
    ropeTheta: 10_000,
    rmsNormEpsilon: 1e-5,
    tieWordEmbeddings: true,
    ...shape,
    vocabSize,
  };
}

function requireToken(tokenizer: Tokenizer, token: string): number {
  const id = tokenizer.idOf(token);
  if (id === undefined)
    throw new ConfigurationError(`The tokenizer has no token '${token}'; add it to its special tokens.`, {
      code: 'option-invalid',
    });
  return id;
}
