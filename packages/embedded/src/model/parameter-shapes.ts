/** Names every parameter of a model, and of the adapters beside it, with its shape. */
import type { LlamaConfig } from './llama-config.ts';

/** The shape of a parameter: (outputs, inputs) of a matrix, (n,) of a vector. */
export type Shape = readonly [number, number] | readonly [number];
export type Shapes = ReadonlyMap<string, Shape>;

/** Returns the shape of every parameter, by Hugging Face name, in the order in which checkpoints list them. */
export function parameterShapes(config: LlamaConfig): Shapes {
  const { hiddenSize, intermediateSize, vocabSize, headSize } = config;
  const queries = config.heads * headSize;
  const keys = config.keyValueHeads * headSize;
  const shapes = new Map<string, Shape>([['model.embed_tokens.weight', [vocabSize, hiddenSize]]]);
  for (let i = 0; i < config.layers; i++) {
    const layer = `model.layers.${i}.`;
    shapes.set(`${layer}input_layernorm.weight`, [hiddenSize]);
    for (const [part, outputs] of [
      ['q', queries],
      ['k', keys],
      ['v', keys],
    ] as const) {
      shapes.set(`${layer}self_attn.${part}_proj.weight`, [outputs, hiddenSize]);
      if (config.attentionBias) shapes.set(`${layer}self_attn.${part}_proj.bias`, [outputs]);
    }
    shapes.set(`${layer}self_attn.o_proj.weight`, [hiddenSize, queries]);
    if (config.queryKeyNorm)
      for (const part of ['q', 'k']) shapes.set(`${layer}self_attn.${part}_norm.weight`, [headSize]);
    shapes.set(`${layer}post_attention_layernorm.weight`, [hiddenSize]);
    shapes.set(`${layer}mlp.gate_proj.weight`, [intermediateSize, hiddenSize]);
    shapes.set(`${layer}mlp.up_proj.weight`, [intermediateSize, hiddenSize]);
    shapes.set(`${layer}mlp.down_proj.weight`, [hiddenSize, intermediateSize]);
  }
  shapes.set('model.norm.weight', [hiddenSize]);
  if (!config.tieWordEmbeddings) shapes.set('lm_head.weight', [vocabSize, hiddenSize]);
  return shapes;
}
