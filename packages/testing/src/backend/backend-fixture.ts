/** Defines the fixture that a backend's own tests give the contract suite, and the batches that the suite trains on. */
import type {
  AdamParameters,
  BackendCapabilities,
  ChatMessage,
  PolicySnapshot,
  SamplingEngine,
  TrainablePolicy,
  TrainingBackend,
  TrainingSample,
} from '@agent-lightning/core';

/** One backend on a small start model; every fixture of a suite has the same start weights. */
export interface BackendFixture {
  readonly backend: TrainingBackend;
  /** The number of token ids; samples hold only ids below it. */
  readonly vocabularySize: number;
  /** A chat that leaves the start model at least 40 tokens of context. */
  readonly messages: readonly ChatMessage[];
  /** The content of what `exportModel` writes: a whole model, or adapters. @default 'model' */
  readonly exports?: 'model' | 'adapter';
  /** Opens a backend on a directory that `exportModel` wrote; without it, the suite does not check that the export loads. */
  readonly openExport?: (directory: string) => TrainingBackend;
}

export interface BackendSuiteOptions {
  /**
   * The largest allowed difference, in nats, between two computations of one log-probability: sampler and trainer, two orders of summation.
   * @default 1e-4
   */
  readonly logprobTolerance?: number;
}

/** Opens a fixture; the suite closes its backend. */
export type OpenBackend = () => Promise<BackendFixture>;

/** The fixture and the options, as each part of the suite gets them. */
export interface SuiteContext {
  readonly open: OpenBackend;
  readonly tolerance: number;
}

/** Returns training samples of pseudo-random tokens, with a prompt, a trained stretch, and advantages of both signs. */
export function makeSamples(vocabularySize: number, count: number, seed: number): readonly TrainingSample[] {
  const next = pseudoRandom(seed);
  return Array.from({ length: count }, () => {
    const length = 5 + Math.floor(next() * 12);
    const promptLength = 1 + Math.floor(next() * 4);
    const masked = (value: () => number): Float32Array =>
      Float32Array.from({ length }, (_, t) => (t < promptLength ? 0 : value()));
    return {
      tokens: Int32Array.from({ length }, () => Math.floor(next() * vocabularySize)),
      lossMask: Uint8Array.from({ length }, (_, t) => (t < promptLength ? 0 : 1)),
      logprobs: masked(() => -Math.log(vocabularySize) + next() - 0.5),
      advantages: masked(() => 2 * next() - 1),
    };
  });
}

/** Returns the sampling engine of a snapshot, for suites that have checked its kind. */
export function engineOf(snapshot: PolicySnapshot | undefined): SamplingEngine {
  if (snapshot?.kind !== 'engine') throw new TypeError(`expected an engine snapshot, got ${snapshot?.kind ?? 'none'}`);
  return snapshot.engine;
}

/** Takes some steps that move the weights far enough to see. */
export async function train(
  policy: TrainablePolicy,
  samples: readonly TrainingSample[],
  steps = 2,
  learningRate = 0.02,
): Promise<void> {
  for (let step = 0; step < steps; step += 1) {
    await policy.forwardBackward(samples, { name: 'cross_entropy' });
    await policy.optimStep({ learningRate });
  }
}

/** Returns optimizer parameters without those that the backend's own configuration fixes. */
export function choosable<Adam extends Partial<AdamParameters>>(
  adam: Adam,
  { fixedAdam = {} }: BackendCapabilities,
): Adam {
  return Object.fromEntries(Object.entries(adam).filter(([field]) => !(field in fixedAdam))) as Adam;
}

/** Returns all numbers of the lists in one list. */
export function flatten(lists: readonly Float32Array[]): readonly number[] {
  return lists.flatMap((list) => [...list]);
}

/** Returns the largest difference between two lists of equal shape. */
export function largestGap(left: readonly Float32Array[], right: readonly Float32Array[]): number {
  const others = flatten(right);
  return flatten(left).reduce(
    (largest, value, index) => Math.max(largest, Math.abs(value - (others[index] ?? Number.NaN))),
    0,
  );
}

/** Returns numbers in [0, 1) of the linear congruential generator that recorded exchanges with real servers hold the samples of. */
function pseudoRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
