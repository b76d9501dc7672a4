/** Places each parameter of a model in memory: all of them trained, or all of them frozen with adapters beside them. */
import { trainedShapes, type Adaptation } from './adaptation.ts';
import { FrozenPlaces } from './frozen-places.ts';
import type { LlamaConfig } from './llama-config.ts';
import { TrainedPlaces } from './trained-places.ts';
import type { Block, FrozenMatrix, FrozenVector, Matrix, Parameter, Vector } from './weights.ts';

export interface LayerBlocks {
  readonly inputNorm: Vector;
  /** Rows: queries, keys, values. */
  readonly queryKeyValue: Matrix;
  /** One for the queries, the keys and the values each, or none. */
  readonly queryKeyValueBiases: readonly Vector[];
  /** Norms of each query head and each key head, (headSize,), or none. */
  readonly queryNorm?: Vector;
  readonly keyNorm?: Vector;
  readonly attentionOutput: Matrix;
  readonly middleNorm: Vector;
  /** Rows: gate, up; each rounded up to 8. */
  readonly gateUp: Matrix;
  readonly down: Matrix;
}

/** The frozen region: each weight once. */
export interface FrozenLayout {
  readonly matrices: readonly FrozenMatrix[];
  readonly vectors: readonly FrozenVector[];
  readonly type: Adaptation['frozenType'];
  readonly bytes: number;
}

export interface ParameterLayout {
  /** What is trained. */
  readonly parameters: readonly Parameter[];
  readonly blocks: readonly Block[];
  readonly embedding: Matrix;
  readonly layers: readonly LayerBlocks[];
  readonly finalNorm: Vector;
  /** The output head; the embedding itself when tied. */
  readonly head: Matrix;
  /** Sizes of the three regions of what is trained, in floats. */
  readonly plainFloats: number;
  readonly forwardFloats: number;
  readonly backwardFloats: number;
  /** Undefined where all weights are trained. */
  readonly frozen: FrozenLayout | undefined;
}

/** Computes the place of every parameter. Every thread computes the same. */
export function layOutParameters(config: LlamaConfig, adaptation?: Adaptation): ParameterLayout {
  const trained = new TrainedPlaces(trainedShapes(config, adaptation));
  const frozen = adaptation && new FrozenPlaces(config, adaptation, trained);
  const places = frozen ?? trained;
  const tied = config.tieWordEmbeddings;
  const embeddingName = 'model.embed_tokens.weight';
  const embedding = frozen?.matrix([embeddingName]) ?? trained.embedding(embeddingName, tied);
  const layers = Array.from({ length: config.layers }, (_, i) => layOutLayer(config, places, `model.layers.${i}.`));
  const finalNorm = places.vector('model.norm.weight');
  const head = tied ? tiedHead(embedding, frozen) : places.matrix(['lm_head.weight']);
  return {
    parameters: trained.parameters,
    blocks: trained.blocks,
    embedding,
    layers,
    finalNorm,
    head,
    plainFloats: trained.used.plain,
    forwardFloats: trained.used.forward,
    backwardFloats: trained.used.backward,
    frozen: frozen && {
      matrices: frozen.matrices,
      vectors: frozen.vectors,
      type: adaptation!.frozenType,
      bytes: frozen.bytes,
    },
  };
}

function layOutLayer(config: LlamaConfig, places: TrainedPlaces | FrozenPlaces, layer: string): LayerBlocks {
  const attention = `${layer}self_attn.`;
  const projections = ['q', 'k', 'v'].map((part) => `${attention}${part}_proj`);
  return {
    inputNorm: places.vector(`${layer}input_layernorm.weight`),
    queryKeyValue: places.matrix(projections.map((name) => `${name}.weight`)),
    queryKeyValueBiases: config.attentionBias ? projections.map((name) => places.vector(`${name}.bias`)) : [],
    ...(config.queryKeyNorm && {
      queryNorm: places.vector(`${attention}q_norm.weight`),
      keyNorm: places.vector(`${attention}k_norm.weight`),
    }),
    attentionOutput: places.matrix([`${attention}o_proj.weight`]),
    middleNorm: places.vector(`${layer}post_attention_layernorm.weight`),
    gateUp: places.matrix([`${layer}mlp.gate_proj.weight`, `${layer}mlp.up_proj.weight`]),
    down: places.matrix([`${layer}mlp.down_proj.weight`]),
  };
}

/** Returns the embedding as the head; a frozen one has its own adapter there, or none. */
function tiedHead(embedding: Matrix, frozen: FrozenPlaces | undefined): Matrix {
  const adapter = frozen?.adapter(['lm_head']);
  return adapter && embedding.kind === 'frozen-matrix' ? { ...embedding, adapter } : embedding;
}
