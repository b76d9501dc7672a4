/** Measures training of all weights and sampling of a tiny model, with PyTorch on the same shape beside it. */
import type { TrainingSample } from '@agent-lightning/core';
import { LlamaEngine } from '@agent-lightning/embedded';
import { startTorch } from './torch-process.ts';
import { loadModel, type Workload } from './workload.ts';

export interface OwnModelOptions {
  /** A model directory, 'default' for random weights, or undefined for the quickstart's model. */
  readonly model: string | undefined;
  readonly rounds: number;
  readonly threads: number;
  readonly wideKernels: boolean;
}

/** Runs the rounds, prints what was measured, and returns it for JSON. */
export async function measureOwnModel(options: OwnModelOptions): Promise<object> {
  const model = await loadModel(options.model);
  const workload: Workload = {
    config: model.config,
    threads: options.threads,
    rows: 32,
    rowTokens: Math.min(128, model.config.maxPositions),
    concurrent: 16,
    promptIds: 64,
    newTokens: 32,
  };
  const parameters = [...model.weights.values()].reduce((sum, tensor) => sum + tensor.length, 0);
  console.log(
    `Model: ${model.name}, ${(parameters / 1e6).toFixed(2)} M parameters; ${workload.threads} threads; Node ${process.versions.node}`,
  );
  console.log(
    `Training: ${workload.rows} rows of ${workload.rowTokens} tokens, PPO loss, clipping, AdamW. Sampling: ${workload.concurrent} requests at once, ${workload.promptIds} + ${workload.newTokens} tokens.`,
  );

  const engine = await LlamaEngine.create({
    config: model.config,
    weights: model.weights,
    threads: workload.threads,
    wideKernels: options.wideKernels,
  });
  console.log(
    `Kernels: ${engine.kernels}${options.wideKernels && engine.kernels !== 'wide' ? '; wide ones are not available here or did not measure faster' : ''}.`,
  );
  const torch = await startTorch(workload);
  if (!torch) console.log('PyTorch: not found in python3; name a python that has torch in PYTHON to compare.');

  const rates = {
    trainEngine: [] as number[],
    trainTorch: [] as number[],
    sampleEngine: [] as number[],
    sampleTorch: [] as number[],
  };
  const warmUps = 2;
  for (let round = -warmUps; round < options.rounds; round++) {
    const measured = {
      trainEngine: await trainRound(engine, workload),
      trainTorch: await torch?.round('train'),
      sampleEngine: await sampleRound(engine, workload, round + warmUps),
      sampleTorch: await torch?.round('sample'),
    };
    if (round < 0) continue;
    for (const [name, rate] of Object.entries(measured))
      if (rate !== undefined) rates[name as keyof typeof rates].push(rate);
  }
  torch?.close();
  await engine.close();

  return {
    parameters,
    threads: workload.threads,
    kernels: engine.kernels,
    rounds: options.rounds,
    torch: torch?.description ?? null,
    training: compare('Training', rates.trainEngine, rates.trainTorch),
    sampling: compare('Sampling', rates.sampleEngine, rates.sampleTorch),
  };
}

async function trainRound(engine: LlamaEngine, workload: Workload): Promise<number> {
  const rows = Array.from({ length: workload.rows }, () => randomRow(workload));
  const start = performance.now();
  await engine.forwardBackward(rows, { name: 'ppo', clipLow: 0.8, clipHigh: 1.2 });
  await engine.optimStep({ learningRate: 1e-4, maxGradientNorm: 1 });
  return (workload.rows * workload.rowTokens * 1000) / (performance.now() - start);
}

function randomRow(workload: Workload): TrainingSample {
  const length = workload.rowTokens + 1;
  const trained = (_: unknown, t: number): number => (t > 0 ? 1 : 0);
  return {
    tokens: randomTokens(length, workload),
    lossMask: Uint8Array.from({ length }, trained),
    logprobs: Float32Array.from({ length }, (_, t) => -Math.log(workload.config.vocabSize) * trained(_, t)),
    advantages: Float32Array.from({ length }, (_, t) => (2 * Math.random() - 1) * trained(_, t)),
  };
}

/** Fresh prompts each time, so that nothing is found in the cache. */
async function sampleRound(engine: LlamaEngine, workload: Workload, seed: number): Promise<number> {
  const weights = engine.snapshot();
  const start = performance.now();
  await Promise.all(
    Array.from({ length: workload.concurrent }, async (_, i) => {
      const pieces = engine.sample({
        weights,
        prompt: randomTokens(workload.promptIds, workload),
        choices: 1,
        temperature: 1,
        maxTokens: workload.newTokens,
        stopTokens: [],
        seed: seed * workload.concurrent + i,
      });
      for await (const piece of pieces) void piece;
    }),
  );
  const rate = (workload.concurrent * workload.newTokens * 1000) / (performance.now() - start);
  engine.discard(weights);
  return rate;
}

function randomTokens(length: number, { config }: Workload): Int32Array {
  return Int32Array.from({ length }, () => Math.floor(Math.random() * config.vocabSize));
}

/** Medians, and their ratio where both were measured. */
function compare(
  what: string,
  ours: readonly number[],
  theirs: readonly number[],
): { engine: number; torch: number | null; ratio: number | null } {
  const engineRate = Math.round(median(ours));
  const torchRate = theirs.length > 0 ? Math.round(median(theirs)) : null;
  const ratio = torchRate === null ? null : Number((engineRate / torchRate).toFixed(2));
  console.log(
    `${what}: ${engineRate.toLocaleString('en')} tokens/s${torchRate === null ? '' : `; PyTorch ${torchRate.toLocaleString('en')} tokens/s; ratio ${ratio}`}`,
  );
  return { engine: engineRate, torch: torchRate, ratio };
}

function median(rates: readonly number[]): number {
  const sorted = rates.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}
