import type { JsonObject } from '@agent-lightning/text';
import { describe, expect, it } from 'vitest';

import { readModelConfig, writeModelConfig } from './model-config.ts';

const base: JsonObject = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: 100,
  hidden_size: 8,
  intermediate_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 32,
};

describe('readModelConfig', () => {
  it('fills what transformers would fill', () => {
    expect(readModelConfig(base, 'config.json')).toEqual({
      vocabSize: 100,
      hiddenSize: 8,
      intermediateSize: 16,
      layers: 2,
      heads: 4,
      keyValueHeads: 2,
      headSize: 2,
      maxPositions: 32,
      ropeTheta: 10_000,
      rmsNormEpsilon: 1e-6,
      tieWordEmbeddings: false,
    });
  });

  it('reads what it writes', () => {
    const config = {
      ...readModelConfig(base, 'config.json'),
      ropeTheta: 500_000,
      rmsNormEpsilon: 1e-5,
      tieWordEmbeddings: true,
    };
    expect(readModelConfig(writeModelConfig(config, { eos: [1, 2] }), 'config.json')).toEqual(config);
  });

  it('reads the newer spelling of the rotary base, and refuses two that differ', () => {
    const rope = { rope_type: 'default', rope_theta: 5000 };
    expect(readModelConfig({ ...base, rope_parameters: rope }, 'config.json').ropeTheta).toBe(5000);
    expect(() => readModelConfig({ ...base, rope_parameters: rope, rope_theta: 1 }, 'config.json')).toThrow(
      /rope_parameters.rope_theta is 5000/,
    );
  });

  it.each<[string, JsonObject]>([
    ['architectures', { architectures: ['GPT2LMHeadModel'] }],
    ['architectures', { architectures: ['constructor'] }],
    ['layer_types', { layer_types: ['full_attention', 'sliding_attention'] }],
    ['model_type', { model_type: 'mistral' }],
    ['rope_scaling', { rope_scaling: { rope_type: 'llama3', factor: 8 } }],
    ['rope_scaling', { rope_scaling: { type: 'linear', factor: 2 } }],
    ['rope_parameters', { rope_parameters: { rope_theta: 1e4, partial_rotary_factor: 0.5 } }],
    ['attention_bias', { attention_bias: true }],
    ['mlp_bias', { mlp_bias: true }],
    ['hidden_act', { hidden_act: 'gelu' }],
    ['attention_dropout', { attention_dropout: 0.1 }],
    ['sliding_window', { sliding_window: 4096 }],
    ['quantization_config', { quantization_config: { quant_method: 'gptq' } }],
  ])('refuses %s that the engine would not honour', (field, change) => {
    const read = (): unknown => readModelConfig({ ...base, ...change }, 'config.json');
    expect(read).toThrow(`config.json: ${field} is ${JSON.stringify(change[field])}`);
    expect(read).toThrow(expect.objectContaining({ code: 'checkpoint-unsupported' }));
  });

  const qwen3: JsonObject = {
    ...base,
    architectures: ['Qwen3ForCausalLM'],
    model_type: 'qwen3',
    head_dim: 16,
    rope_theta: 1e6,
    rms_norm_eps: 1e-6,
    layer_types: ['full_attention', 'full_attention'],
    use_sliding_window: false,
    max_window_layers: 28,
  };
  const qwen2: JsonObject = {
    ...qwen3,
    architectures: ['Qwen2ForCausalLM'],
    model_type: 'qwen2',
    sliding_window: 32_768,
  };
  const mistral: JsonObject = {
    ...qwen3,
    architectures: ['MistralForCausalLM'],
    model_type: 'mistral',
    sliding_window: null,
  };

  it('reads the families beside Llama', () => {
    expect(readModelConfig(qwen3, 'config.json')).toMatchObject({ queryKeyNorm: true, headSize: 16 });
    const { head_dim: _, ...computed } = qwen2;
    expect(readModelConfig(computed, 'config.json')).toMatchObject({ attentionBias: true, headSize: 2 });
    expect(readModelConfig(mistral, 'config.json')).not.toHaveProperty('attentionBias');
  });

  it.each<[string, JsonObject, JsonObject]>([
    ['use_sliding_window is true', qwen2, { use_sliding_window: true }],
    ['attention_bias is false', qwen2, { attention_bias: false }],
    ['attention_bias is true', qwen3, { attention_bias: true }],
    ['sliding_window is 4096', mistral, { sliding_window: 4096 }],
    [
      'sliding_window is null; this engine supports only a config.json',
      { ...mistral, sliding_window: undefined } as never,
      {},
    ],
    ['head_dim is null', qwen3, { head_dim: null }],
    ['rope_theta is null', qwen3, { rope_theta: null }],
    ['num_key_value_heads is null', qwen2, { num_key_value_heads: null }],
    ['rms_norm_eps is null', mistral, { rms_norm_eps: null }],
  ])('refuses %s in a family beside Llama', (message, family, change) => {
    expect(() => readModelConfig({ ...family, ...change }, 'config.json')).toThrow(`config.json: ${message}`);
  });

  it.each<[string, JsonObject]>([
    ['hidden_size is null', { hidden_size: null }],
    ['vocab_size is 0', { vocab_size: 0 }],
    ['not divisible by num_attention_heads', { hidden_size: 9 }],
    ['not divisible by num_key_value_heads', { num_key_value_heads: 3 }],
    ['head_dim 3 is odd', { head_dim: 3 }],
    ['rms_norm_eps is 0', { rms_norm_eps: 0 }],
    ['tie_word_embeddings is "yes"', { tie_word_embeddings: 'yes' }],
  ])('names an impossible size: %s', (message, change) => {
    const read = (): unknown => readModelConfig({ ...base, ...change }, 'config.json');
    expect(read).toThrow(message);
    expect(read).toThrow(expect.objectContaining({ code: 'checkpoint-corrupt' }));
  });
});
