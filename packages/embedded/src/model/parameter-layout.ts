/** Places each parameter in memory, in three arrangements of the same weights: plain (Hugging Face order), forward panels, backward panels. */
import type { LlamaConfig } from './llama-config.ts';

/** A named parameter inside the plain region. */
export interface Parameter {
  readonly name: string;
  /** Shape (rows, columns); a vector has one row. */
  readonly rows: number;
  readonly columns: number;
  readonly isVector: boolean;
  /** Index of its first float in the plain region. */
  readonly offset: number;
  /** Floats between rows: `columns`, rounded up where the width of the MLP is. */
  readonly stride: number;
}

/** Parameters that one matrix product uses together, stacked by rows: the unit of packing and of the optimizer's work. */
export interface Block {
  readonly kind: 'vector' | 'embedding' | 'linear';
  /** Outputs × inputs of the stacked matrix, rounded up to 8; a vector is (1, n). */
  readonly rows: number;
  readonly columns: number;
  /** Index of the first float in the plain region. */
  readonly offset: number;
  /** Index in the forward region: panels of a linear block, a copy of a vector or of the embedding. */
  readonly forward: number;
  /** Index in the forward region of the panels of an embedding that is the output head as well. */
  readonly forwardHead: number | undefined;
  /** Index in the backward region; only blocks that gradients flow through have one. */
  readonly backward: number | undefined;
}

export interface LayerBlocks {
  readonly inputNorm: Block;
  /** Rows: queries, keys, values. */
  readonly queryKeyValue: Block;
  readonly attentionOutput: Block;
  readonly middleNorm: Block;
  /** Rows: gate, up; each rounded up to 8. */
  readonly gateUp: Block;
  readonly down: Block;
}

export interface ParameterLayout {
  readonly parameters: readonly Parameter[];
  readonly blocks: readonly Block[];
  readonly embedding: Block;
  readonly layers: readonly LayerBlocks[];
  readonly finalNorm: Block;
  /** The output head; the embedding itself when tied. */
  readonly head: Block;
  /** Sizes of the three regions, in floats. */
  readonly plainFloats: number;
  readonly forwardFloats: number;
  readonly backwardFloats: number;
}

/** Returns the smallest multiple that is not below the value. */
export function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}

/** Returns the shape of every parameter, by Hugging Face name, in the order in which checkpoints list them. */
export function parameterShapes(
  config: LlamaConfig,
): ReadonlyMap<string, readonly [number, number] | readonly [number]> {
  const { hiddenSize, intermediateSize, vocabSize, headSize } = config;
  const queries = config.heads * headSize;
  const keys = config.keyValueHeads * headSize;
  const shapes = new Map<string, readonly [number, number] | readonly [number]>([
    ['model.embed_tokens.weight', [vocabSize, hiddenSize]],
  ]);
  for (let i = 0; i < config.layers; i++) {
    const layer = `model.layers.${i}.`;
    shapes.set(`${layer}input_layernorm.weight`, [hiddenSize]);
    shapes.set(`${layer}self_attn.q_proj.weight`, [queries, hiddenSize]);
    shapes.set(`${layer}self_attn.k_proj.weight`, [keys, hiddenSize]);
    shapes.set(`${layer}self_attn.v_proj.weight`, [keys, hiddenSize]);
    shapes.set(`${layer}self_attn.o_proj.weight`, [hiddenSize, queries]);
    shapes.set(`${layer}post_attention_layernorm.weight`, [hiddenSize]);
    shapes.set(`${layer}mlp.gate_proj.weight`, [intermediateSize, hiddenSize]);
    shapes.set(`${layer}mlp.up_proj.weight`, [intermediateSize, hiddenSize]);
    shapes.set(`${layer}mlp.down_proj.weight`, [hiddenSize, intermediateSize]);
  }
  shapes.set('model.norm.weight', [hiddenSize]);
  if (!config.tieWordEmbeddings) shapes.set('lm_head.weight', [vocabSize, hiddenSize]);
  return shapes;
}

/** Computes the place of every parameter. Every thread computes the same. */
export function layOutParameters(config: LlamaConfig): ParameterLayout {
  const shapes = parameterShapes(config);
  const parameters: Parameter[] = [];
  const blocks: Block[] = [];
  const used = { plain: 0, forward: 0, backward: 0 };
  const take = (region: keyof typeof used, floats: number): number => {
    const offset = used[region];
    used[region] += roundUp(floats, 16);
    return offset;
  };

  /** Stacks `names` by rows; each part's rows and all columns are rounded up to 8, except the vocabulary's rows in the plain region. */
  const block = (kind: Block['kind'], names: readonly string[]): Block => {
    const parts = names.map((name) => {
      const shape = shapes.get(name)!;
      return {
        name,
        rows: shape.length === 1 ? 1 : shape[0],
        columns: shape.length === 1 ? shape[0] : shape[1],
        isVector: shape.length === 1,
      };
    });
    const columns = roundUp(parts[0]!.columns, 8);
    const partRows = (rows: number): number => (names.length > 1 ? roundUp(rows, 8) : rows);
    const rows = parts.reduce((sum, part) => sum + partRows(part.rows), 0);
    const offset = take('plain', rows * columns);
    let row = 0;
    for (const part of parts) {
      parameters.push({ ...part, offset: offset + row * columns, stride: columns });
      row += partRows(part.rows);
    }
    const isHead = kind === 'embedding' && config.tieWordEmbeddings;
    const placed: Block = {
      kind,
      rows,
      columns,
      offset,
      forward: take('forward', kind === 'linear' ? roundUp(rows, 8) * columns : rows * columns),
      forwardHead: isHead ? take('forward', roundUp(rows, 8) * columns) : undefined,
      backward: kind === 'linear' || isHead ? take('backward', rows * columns) : undefined,
    };
    blocks.push(placed);
    return placed;
  };

  const embedding = block('embedding', ['model.embed_tokens.weight']);
  const layers = Array.from({ length: config.layers }, (_, i): LayerBlocks => {
    const layer = `model.layers.${i}.`;
    return {
      inputNorm: block('vector', [`${layer}input_layernorm.weight`]),
      queryKeyValue: block(
        'linear',
        ['q', 'k', 'v'].map((part) => `${layer}self_attn.${part}_proj.weight`),
      ),
      attentionOutput: block('linear', [`${layer}self_attn.o_proj.weight`]),
      middleNorm: block('vector', [`${layer}post_attention_layernorm.weight`]),
      gateUp: block('linear', [`${layer}mlp.gate_proj.weight`, `${layer}mlp.up_proj.weight`]),
      down: block('linear', [`${layer}mlp.down_proj.weight`]),
    };
  });
  const finalNorm = block('vector', ['model.norm.weight']);
  const head = config.tieWordEmbeddings ? embedding : block('linear', ['lm_head.weight']);
  return {
    parameters,
    blocks,
    embedding,
    layers,
    finalNorm,
    head,
    plainFloats: used.plain,
    forwardFloats: used.forward,
    backwardFloats: used.backward,
  };
}
