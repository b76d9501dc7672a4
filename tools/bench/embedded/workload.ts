/** What is measured: a model's shape, and how much of what is trained and sampled. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { loadCheckpoint, parameterShapes, type LlamaConfig, type LlamaWeights } from '@agent-lightning/embedded';

export interface Workload {
  readonly config: LlamaConfig;
  readonly threads: number;
  /** Training: rows of so many predicted tokens. */
  readonly rows: number;
  readonly rowTokens: number;
  /** Sampling: requests at once, each of a prompt of its own and so many new tokens. */
  readonly concurrent: number;
  readonly promptIds: number;
  readonly newTokens: number;
}

export interface Model {
  readonly name: string;
  readonly config: LlamaConfig;
  readonly weights: LlamaWeights;
}

const quickstartModel: string = fileURLToPath(new URL('../../../examples/sql-agent/model', import.meta.url));

/** The shape of the measurements in this project's notes: 0.87 M parameters. */
const defaultShape: LlamaConfig = {
  vocabSize: 640,
  hiddenSize: 128,
  intermediateSize: 384,
  layers: 4,
  heads: 2,
  keyValueHeads: 1,
  headSize: 64,
  maxPositions: 512,
  ropeTheta: 10_000,
  rmsNormEpsilon: 1e-5,
  tieWordEmbeddings: true,
};

/** The model directory that was asked for, or 'default' for the 0.87 M shape; else the quickstart's model, where it is there. */
export async function loadModel(path: string | undefined): Promise<Model> {
  const directory = path ?? (existsSync(quickstartModel) ? quickstartModel : 'default');
  if (directory === 'default')
    return { name: 'random weights, 0.87 M parameters', config: defaultShape, weights: randomWeights(defaultShape) };
  const { config, weights } = await loadCheckpoint(directory);
  return { name: directory, config, weights };
}

/** Uniform weights of a Llama at birth; norms are 1. */
function randomWeights(config: LlamaConfig): LlamaWeights {
  return new Map(
    [...parameterShapes(config)].map(([name, shape]) => {
      const length = shape.reduce((product: number, size) => product * size, 1);
      return [name, Float32Array.from({ length }, () => (name.includes('norm') ? 1 : 0.1 * (Math.random() - 0.5)))];
    }),
  );
}
