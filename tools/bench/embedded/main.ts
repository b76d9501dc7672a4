/**
 * `npm run bench:embedded [-- --model <directory>|default --rounds 7 --threads 2 --wide-kernels]`: measures training and
 * sampling speed of the embedded engine, with wide kernels or without, round by round in turns with PyTorch on the same model shape and machine. The last line is JSON.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import type { TrainingSample } from '@agent-lightning/core';
import { LlamaEngine } from '@agent-lightning/embedded';
import { startTorch } from './torch-process.ts';
import { loadModel, type Workload } from './workload.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    rounds: { type: 'string', default: '7' },
    threads: { type: 'string', default: String(Math.min(availableParallelism(), 16)) },
    'wide-kernels': { type: 'boolean', default: false },
  },
});
const model = await loadModel(values.model);
const workload: Workload = {
  config: model.config,
  threads: Number(values.threads),
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
  wideKernels: values['wide-kernels'],
});
console.log(
  `Kernels: ${engine.kernels}${values['wide-kernels'] && engine.kernels !== 'wide' ? '; wide ones are not available here or did not measure faster' : ''}.`,
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
for (let round = -warmUps; round < Number(values.rounds); round++) {
  const measured = {
    trainEngine: await trainRound(),
    trainTorch: await torch?.round('train'),
    sampleEngine: await sampleRound(round + warmUps),
    sampleTorch: await torch?.round('sample'),
  };
  if (round < 0) continue;
  for (const [name, rate] of Object.entries(measured))
    if (rate !== undefined) rates[name as keyof typeof rates].push(rate);
}
torch?.close();
await engine.close();

const result = {
  parameters,
  threads: workload.threads,
  kernels: engine.kernels,
  rounds: Number(values.rounds),
  torch: torch?.description ?? null,
  training: compare('Training', rates.trainEngine, rates.trainTorch),
  sampling: compare('Sampling', rates.sampleEngine, rates.sampleTorch),
};
console.log(JSON.stringify(result));

async function trainRound(): Promise<number> {
  const rows = Array.from({ length: workload.rows }, randomRow);
  const start = performance.now();
  await engine.forwardBackward(rows, { name: 'ppo', clipLow: 0.8, clipHigh: 1.2 });
  await engine.optimStep({ learningRate: 1e-4, maxGradientNorm: 1 });
  return (workload.rows * workload.rowTokens * 1000) / (performance.now() - start);
}

function randomRow(): TrainingSample {
  const length = workload.rowTokens + 1;
  const trained = (_: unknown, t: number): number => (t > 0 ? 1 : 0);
  return {
    tokens: randomTokens(length),
    lossMask: Uint8Array.from({ length }, trained),
    logprobs: Float32Array.from({ length }, (_, t) => -Math.log(workload.config.vocabSize) * trained(_, t)),
    advantages: Float32Array.from({ length }, (_, t) => (2 * Math.random() - 1) * trained(_, t)),
  };
}

/** Fresh prompts each time, so that nothing is found in the cache. */
async function sampleRound(seed: number): Promise<number> {
  const weights = engine.snapshot();
  const start = performance.now();
  await Promise.all(
    Array.from({ length: workload.concurrent }, async (_, i) => {
      const pieces = engine.sample({
        weights,
        prompt: randomTokens(workload.promptIds),
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

function randomTokens(length: number): Int32Array {
  return Int32Array.from({ length }, () => Math.floor(Math.random() * workload.config.vocabSize));
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
