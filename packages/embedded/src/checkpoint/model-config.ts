/** Converts between `config.json` and the engine's configuration. Values that the engine would not honour are rejected, never ignored. */
import type { JsonValue } from '@agent-lightning/core';
import { corrupt, type JsonObject } from '@agent-lightning/text';

import type { LlamaConfig } from '../model/llama-config.ts';
import { findFamily, unsupportedValue } from './model-families.ts';

/**
 * Reads the configuration of a model of the Llama family.
 *
 * @throws {BackendError} `checkpoint-unsupported` naming the field and its value when the model computes something else than
 *   the engine does; `checkpoint-corrupt` when a size is missing or impossible
 */
export function readModelConfig(config: JsonObject, source: string): LlamaConfig {
  const { traits, hasDefaults } = findFamily(config, source);
  const size = (name: string, fallback?: number): number =>
    readSize(config, name, source, hasDefaults ? fallback : undefined);
  const hiddenSize = size('hidden_size');
  const heads = size('num_attention_heads');
  const keyValueHeads = size('num_key_value_heads', heads);
  if (isAbsent(config['head_dim']) && hiddenSize % heads !== 0) {
    throw corrupt(source, `hidden_size ${hiddenSize} is not divisible by num_attention_heads ${heads}`);
  }
  // Only Qwen3 has heads of a size of its own when it does not say so.
  const headSize = traits.queryKeyNorm ? size('head_dim') : readSize(config, 'head_dim', source, hiddenSize / heads);
  if (heads % keyValueHeads !== 0)
    throw corrupt(source, `num_attention_heads ${heads} is not divisible by num_key_value_heads ${keyValueHeads}`);
  if (headSize % 2 !== 0) throw corrupt(source, `head_dim ${headSize} is odd`);
  return {
    vocabSize: size('vocab_size'),
    hiddenSize,
    intermediateSize: size('intermediate_size'),
    layers: size('num_hidden_layers'),
    heads,
    keyValueHeads,
    headSize,
    maxPositions: size('max_position_embeddings'),
    ropeTheta: readRopeTheta(config, source, hasDefaults),
    rmsNormEpsilon: readPositive(config['rms_norm_eps'] ?? (hasDefaults ? 1e-6 : null), 'rms_norm_eps', source),
    tieWordEmbeddings: readBoolean(config, 'tie_word_embeddings', source),
    ...traits,
  };
}

/** Returns the `config.json` of a new model, with both spellings of the rotary base, for older and newer transformers. */
export function writeModelConfig(
  config: LlamaConfig,
  tokens: { readonly bos?: number; readonly eos: readonly number[]; readonly pad?: number },
): JsonObject {
  return {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    attention_bias: false,
    attention_dropout: 0,
    bos_token_id: tokens.bos ?? null,
    eos_token_id: tokens.eos.length === 1 ? (tokens.eos[0] ?? null) : tokens.eos,
    pad_token_id: tokens.pad ?? null,
    head_dim: config.headSize,
    hidden_act: 'silu',
    hidden_size: config.hiddenSize,
    initializer_range: 0.02,
    intermediate_size: config.intermediateSize,
    max_position_embeddings: config.maxPositions,
    mlp_bias: false,
    num_attention_heads: config.heads,
    num_hidden_layers: config.layers,
    num_key_value_heads: config.keyValueHeads,
    pretraining_tp: 1,
    rms_norm_eps: config.rmsNormEpsilon,
    rope_parameters: { rope_type: 'default', rope_theta: config.ropeTheta },
    rope_theta: config.ropeTheta,
    tie_word_embeddings: config.tieWordEmbeddings,
    torch_dtype: 'float32',
    use_cache: true,
    vocab_size: config.vocabSize,
  };
}

/** Reads `rope_theta`, or the newer `rope_parameters`; any scaling of positions is refused. */
function readRopeTheta(config: JsonObject, source: string, hasDefault: boolean): number {
  let theta = config['rope_theta'];
  for (const name of ['rope_scaling', 'rope_parameters']) {
    const rope = config[name];
    if (isAbsent(rope)) continue;
    const { rope_theta: inner, rope_type: type, type: legacyType, ...rest } = rope as JsonObject;
    const kind = type ?? legacyType ?? 'default';
    if (
      typeof rope !== 'object' ||
      Array.isArray(rope) ||
      kind !== 'default' ||
      Object.values(rest).some((value) => value !== null && value !== 1)
    ) {
      throw unsupportedValue(source, name, rope, 'rope_type "default" and no scaling');
    }
    if (!isAbsent(inner) && !isAbsent(theta) && inner !== theta)
      throw corrupt(
        source,
        `rope_theta is ${JSON.stringify(theta)} and ${name}.rope_theta is ${JSON.stringify(inner)}`,
      );
    theta ??= inner;
  }
  return readPositive(theta ?? (hasDefault ? 10_000 : null), 'rope_theta', source);
}

function readSize(config: JsonObject, name: string, source: string, fallback?: number): number {
  const value = config[name] ?? fallback;
  if (!isSize(value))
    throw corrupt(source, `${name} is ${JSON.stringify(value ?? null)}; a positive integer was expected`);
  return value;
}

function readPositive(value: JsonValue, name: string, source: string): number {
  if (typeof value !== 'number' || !(value > 0) || !Number.isFinite(value))
    throw corrupt(source, `${name} is ${JSON.stringify(value)}; a positive number was expected`);
  return value;
}

function readBoolean(config: JsonObject, name: string, source: string): boolean {
  const value = config[name] ?? false;
  if (typeof value !== 'boolean')
    throw corrupt(source, `${name} is ${JSON.stringify(value)}; true or false was expected`);
  return value;
}

/** Tells whether a field has no value: JSON writers leave it out or write null, with one meaning. */
function isAbsent(value: JsonValue | undefined): value is null | undefined {
  return value === undefined || value === null;
}

function isSize(value: JsonValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
}
