/** Describes a frozen model with LoRA adapters beside it: y = W·x + (alpha / rank) · B·(A·x), A and B trained. @source arXiv:2106.09685 */
import type { LlamaConfig } from './llama-config.ts';
import { parameterShapes, type Shape, type Shapes } from './parameter-shapes.ts';

/** Says what is trained beside a frozen model. */
export interface Adaptation {
  /** Inner width of every adapter. */
  readonly rank: number;
  /** The adapters' scale is alpha / rank. */
  readonly alpha: number;
  readonly trainAttention: boolean;
  readonly trainMlp: boolean;
  /** Adapts the output layer too. */
  readonly trainUnembed: boolean;
  /** The precision in which the frozen matrices are kept; norms and biases are always float32. */
  readonly frozenType: 'bfloat16' | 'float32';
}

/** Returns the adapted layers, by their names in the model without `.weight`, in the order of the parameters. */
export function adaptedLayers(config: LlamaConfig, adaptation: Adaptation): string[] {
  const { trainAttention, trainMlp, trainUnembed } = adaptation;
  const layers = [...parameterShapes(config).keys()]
    .filter((name) => (/self_attn\.\w_proj\.weight$/.test(name) ? trainAttention : trainMlp && name.includes('.mlp.')))
    .map((name) => name.replace(/\.weight$/, ''));
  return trainUnembed ? [...layers, 'lm_head'] : layers;
}

/** Returns the shapes of the adapters' matrices, A (rank, inputs) and B (outputs, rank), by PEFT's names without its prefix. */
export function adapterShapes(config: LlamaConfig, adaptation: Adaptation): Shapes {
  const shapes = new Map<string, Shape>();
  const weights = parameterShapes(config);
  for (const layer of adaptedLayers(config, adaptation)) {
    const [outputs, inputs] = (weights.get(`${layer}.weight`) ?? [config.vocabSize, config.hiddenSize]) as [
      number,
      number,
    ];
    shapes.set(`${layer}.lora_A.weight`, [adaptation.rank, inputs]);
    shapes.set(`${layer}.lora_B.weight`, [outputs, adaptation.rank]);
  }
  return shapes;
}

/** Returns the shape of everything that training changes: the adapters, or all parameters where there is no adaptation. */
export function trainedShapes(config: LlamaConfig, adaptation: Adaptation | undefined): Shapes {
  return adaptation ? adapterShapes(config, adaptation) : parameterShapes(config);
}
