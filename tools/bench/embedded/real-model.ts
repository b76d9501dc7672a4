/**
 * Measures LoRA training and sampling of a real small model: the embedded engine, without and with wide kernels, and the PyTorch worker on
 * the CPU, round by round in turns, all in the same process tree and with the same number of threads.
 */
import type { SamplingEngine, TrainablePolicy, TrainingBackend, TrainingSample } from '@agent-lightning/core';
import { embedded, openCheckpoint } from '@agent-lightning/embedded';
import { resolveModelDirectory } from '@agent-lightning/platform';
import { gpu } from '@agent-lightning/gpu';
import { childCpuSeconds, ownCpuSeconds } from './cpu-time.ts';

export interface RealModelOptions {
  /** A model directory, or a name that the backends know. */
  readonly model: string;
  readonly rank: number;
  readonly threads: number;
  readonly rounds: number;
  /** Training: rows of so many predicted tokens. */
  readonly rows: number;
  readonly rowTokens: number;
  /** Sampling: requests at once, each of a prompt of its own and so many new tokens. */
  readonly concurrent: number;
  readonly promptTokens: number;
  readonly newTokens: number;
}

/** Tokens per second of wall time, and per second of CPU time where it is known. */
interface Rate {
  readonly wall: number;
  readonly cpu: number | undefined;
}

interface Contestant {
  readonly name: string;
  readonly backend: TrainingBackend;
  readonly policy: TrainablePolicy;
  readonly engine: SamplingEngine;
  /** CPU seconds that it has used so far. */
  cpuSeconds(): number | undefined;
  readonly training: Rate[];
  readonly sampling: Rate[];
}

/** Runs the rounds, prints what was measured, and returns it for JSON. */
export async function measureRealModel(options: RealModelOptions): Promise<object> {
  // PyTorch takes its number of threads from here when the worker starts.
  process.env['OMP_NUM_THREADS'] = String(options.threads);
  const lora = { rank: options.rank };
  const parts = { model: options.model, lora, threads: options.threads };
  const backends = [embedded(parts), embedded({ ...parts, wideKernels: true })] as const;
  const [kernels, wideKernels] = [await backends[0].kernels(), await backends[1].kernels()];
  if (wideKernels !== 'wide')
    console.log('Wide kernels are not available here or did not measure faster: both contestants run the others.');
  const contestants = [
    await prepare(`embedded, ${kernels} kernels`, backends[0], ownCpuSeconds),
    await prepare(`embedded, ${wideKernels} kernels`, backends[1], ownCpuSeconds),
    await prepare('PyTorch worker', gpu({ model: options.model, lora, device: 'cpu' }), childCpuSeconds),
  ];
  const vocabulary = (await openCheckpoint(resolveModelDirectory('bench:embedded: --model', options.model))).config
    .vocabSize;
  for (let round = -1; round < options.rounds; round++) {
    for (const contestant of contestants) {
      const trained = await measure(contestant, options.rows * options.rowTokens, () =>
        train(contestant.policy, options, vocabulary),
      );
      const sampled = await measure(contestant, options.concurrent * options.newTokens, () =>
        sample(contestant.engine, options, vocabulary, round + 1),
      );
      console.log(
        `${round < 0 ? 'warm-up' : `round ${round + 1}`}, ${contestant.name}: training ${describe(trained)}; sampling ${describe(sampled)}`,
      );
      if (round < 0) continue; // the first one warms up
      contestant.training.push(trained);
      contestant.sampling.push(sampled);
    }
  }
  const [plain, wide, worker] = contestants.map(({ name, training, sampling }) => ({
    name,
    training: medianRate(training),
    sampling: medianRate(sampling),
  }));
  await Promise.all(contestants.map(({ backend }) => backend.close()));
  return {
    ...options,
    peakMebibytes: Math.round(process.resourceUsage().maxRSS / 1024),
    embedded: plain,
    wide,
    worker,
    ratios: { plain: compare(plain!, worker!), wide: compare(wide!, worker!) },
  };
}

async function prepare(
  name: string,
  backend: TrainingBackend,
  cpuSeconds: () => number | undefined,
): Promise<Contestant> {
  const policy = await backend.createPolicy({ name: 'bench', seed: 0 });
  const snapshot = await policy.publish(1);
  if (snapshot.kind !== 'engine') throw new TypeError(`${name} does not sample in this process.`);
  return { name, backend, policy, engine: snapshot.engine, cpuSeconds, training: [], sampling: [] };
}

async function measure(contestant: Contestant, tokens: number, work: () => Promise<void>): Promise<Rate> {
  const [start, cpuStart] = [performance.now(), contestant.cpuSeconds()];
  await work();
  const [seconds, cpuEnd] = [(performance.now() - start) / 1000, contestant.cpuSeconds()];
  const cpu = cpuStart === undefined || cpuEnd === undefined ? undefined : tokens / (cpuEnd - cpuStart);
  return { wall: tokens / seconds, cpu };
}

async function train(policy: TrainablePolicy, options: RealModelOptions, vocabulary: number): Promise<void> {
  const samples = Array.from({ length: options.rows }, () => randomSample(options.rowTokens + 1, vocabulary));
  await policy.forwardBackward(samples, { name: 'ppo', clipLow: 0.8, clipHigh: 1.2 });
  await policy.optimStep({ learningRate: 1e-5, maxGradientNorm: 1 });
}

/** Fresh prompts each time, so that nothing is found in a cache; no end token is asked for, so that all answers are as long. */
async function sample(
  engine: SamplingEngine,
  options: RealModelOptions,
  vocabulary: number,
  round: number,
): Promise<void> {
  const answer = async (_: unknown, i: number): Promise<void> => {
    const prompt = randomTokens(options.promptTokens, vocabulary);
    const seed = round * options.concurrent + i;
    const request = { input: { prompt }, temperature: 1, maxTokens: options.newTokens, seed };
    for await (const event of engine.generate(request)) void event;
  };
  await Promise.all(Array.from({ length: options.concurrent }, answer));
}

function randomSample(length: number, vocabulary: number): TrainingSample {
  const lossMask = new Uint8Array(length).fill(1, 1);
  const perToken = (value: () => number): Float32Array => Float32Array.from(lossMask, (mask) => mask * value());
  return {
    tokens: randomTokens(length, vocabulary),
    lossMask,
    logprobs: perToken(() => -Math.log(vocabulary)),
    advantages: perToken(() => 2 * Math.random() - 1),
  };
}

function randomTokens(length: number, vocabulary: number): Int32Array {
  return Int32Array.from({ length }, () => Math.floor(Math.random() * vocabulary));
}

/** Prints and returns the ratio of two contestants' rates. */
function compare(
  ours: { name: string; training: Rate; sampling: Rate },
  theirs: { training: Rate; sampling: Rate },
): object {
  const ratios = (['training', 'sampling'] as const).map((what) => {
    const wall = ratio(ours[what].wall, theirs[what].wall);
    const cpu = ratio(ours[what].cpu, theirs[what].cpu);
    console.log(
      `${ours.name}, ${what}: ${ours[what].wall.toFixed(1)} tokens/s; PyTorch worker ${theirs[what].wall.toFixed(1)} tokens/s; ratio ${wall}, by CPU time ${cpu ?? 'unknown'}`,
    );
    return [what, { wall, cpu }] as const;
  });
  return Object.fromEntries(ratios);
}

function describe({ wall, cpu }: Rate): string {
  return `${wall.toFixed(1)} tokens/s${cpu === undefined ? '' : `, ${cpu.toFixed(1)} a CPU second`}`;
}

function ratio(ours: number | undefined, theirs: number | undefined): number | null {
  return ours === undefined || theirs === undefined ? null : Number((ours / theirs).toFixed(2));
}

function medianRate(rates: readonly Rate[]): Rate {
  const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;
  const cpu = rates.flatMap((rate) => rate.cpu ?? []);
  return { wall: median(rates.map(({ wall }) => wall)), cpu: cpu.length > 0 ? median(cpu) : undefined };
}
