/** Lists the architectures that the engine computes, and what each one's `config.json` must say. */
import type { BackendError, JsonValue } from '@agent-lightning/core';
import { unsupported, type JsonObject } from '@agent-lightning/text';

import type { LlamaConfig } from '../model/llama-config.ts';

/** An architecture of the Llama family. */
export interface ModelFamily {
  /** What sets it apart in the engine. */
  readonly traits: Pick<LlamaConfig, 'attentionBias' | 'queryKeyNorm'>;
  /** True where sizes that are left out have the defaults of transformers; other families must name them. */
  readonly hasDefaults: boolean;
  /** Fields that change what the model computes, with the one value that the engine computes; absent or null is that value too. */
  readonly onlyValues: Readonly<Record<string, JsonValue>>;
  /** Fields that must be absent or null. */
  readonly refusedFields: readonly string[];
}

const onlyValues = {
  hidden_act: 'silu',
  attention_bias: false,
  mlp_bias: false,
  attention_dropout: 0,
  pretraining_tp: 1,
  partial_rotary_factor: 1,
  is_encoder_decoder: false,
} as const;
const refusedFields = ['quantization_config', 'compression_config', 'num_local_experts', 'auto_map'];

const families: Readonly<Record<string, ModelFamily>> = {
  LlamaForCausalLM: {
    traits: {},
    hasDefaults: true,
    onlyValues: { ...onlyValues, model_type: 'llama' },
    refusedFields: [...refusedFields, 'sliding_window'],
  },
  MistralForCausalLM: {
    traits: {},
    hasDefaults: false,
    onlyValues: { ...onlyValues, model_type: 'mistral' },
    refusedFields: [...refusedFields, 'sliding_window'],
  },
  Qwen2ForCausalLM: {
    traits: { attentionBias: true },
    hasDefaults: false,
    onlyValues: { ...onlyValues, model_type: 'qwen2', attention_bias: true, use_sliding_window: false },
    refusedFields,
  },
  Qwen3ForCausalLM: {
    traits: { queryKeyNorm: true },
    hasDefaults: false,
    onlyValues: { ...onlyValues, model_type: 'qwen3', use_sliding_window: false },
    refusedFields,
  },
};

/**
 * Returns the family of a configuration.
 *
 * @throws {BackendError} `checkpoint-unsupported` naming the field and its value when the model computes something else than
 *   the engine does
 */
export function findFamily(config: JsonObject, source: string): ModelFamily {
  const { architectures } = config;
  const name = Array.isArray(architectures) && architectures.length === 1 ? architectures[0] : undefined;
  const family = typeof name === 'string' && Object.hasOwn(families, name) ? families[name] : undefined;
  if (!family)
    throw unsupportedValue(
      source,
      'architectures',
      architectures,
      `one of ${Object.keys(families)
        .map((known) => `["${known}"]`)
        .join(', ')}`,
    );
  for (const [field, only] of Object.entries(family.onlyValues)) {
    const value = config[field] ?? only;
    if (value !== only) throw unsupportedValue(source, field, value, JSON.stringify(only));
  }
  for (const field of family.refusedFields) {
    if ((config[field] ?? null) !== null) throw unsupportedValue(source, field, config[field], 'none');
  }
  // transformers gives a Mistral that says nothing a window.
  if (name === 'MistralForCausalLM' && config['sliding_window'] === undefined)
    throw unsupportedValue(source, 'sliding_window', undefined, 'a config.json that has it as null');
  requireFullAttention(config['layer_types'], source);
  return family;
}

/** Returns the error for a field whose value the engine would not honour. */
export function unsupportedValue(
  source: string,
  name: string,
  value: JsonValue | undefined,
  supported: string,
): BackendError {
  return unsupported(source, `${name} is ${JSON.stringify(value ?? null)}; this engine supports only ${supported}`);
}

function requireFullAttention(types: JsonValue | undefined, source: string): void {
  if ((types ?? null) === null) return;
  if (!Array.isArray(types) || types.some((type) => type !== 'full_attention'))
    throw unsupportedValue(source, 'layer_types', types, '"full_attention" in every layer');
}
