import {
  BackendError,
  check,
  type AdamParameters,
  type Loss,
  type TrainingSample,
  type TrainablePolicy,
  backendChecks,
} from '@agent-lightning/core';
import { loadKernels, type KernelKind, type LoadedKernels } from '../kernels/kernel-binary.ts';
import { instantiateKernels, type Address, type Kernels } from '../kernels/kernels.ts';
import type { LlamaConfig, LlamaWeights } from '../model/llama-config.ts';
import { trainedShapes, type Adaptation } from '../model/adaptation.ts';
import { startAdapters } from '../model/adapter-start.ts';
import { checkConfig, checkTensors, checkThreads } from '../model/model-checks.ts';
import { createModelMemory, type ModelMemory } from '../model/model-memory.ts';
import { layOutParameters } from '../model/parameter-layout.ts';
import { parameterShapes, type Shapes } from '../model/parameter-shapes.ts';
import { readTensors, writeTensors } from '../model/stored-tensors.ts';
import { WorkerPool } from '../threads/worker-pool.ts';
import { Critic, type CriticState } from './critic.ts';
import { runPass, type CriticShare, type TrainedTotal } from './distributed-pass.ts';
import type {
  LlamaEngineOptions,
  OptimizerState,
  SampledPiece,
  SampleRequest,
  ValueLoss,
  WeightsVersion,
} from './engine-types.ts';
import { isTensors, writeInitialWeights } from './initial-weights.ts';
import { withMemoryErrors } from './memory-errors.ts';
import { planMemory, trainingThreads, type MemoryPlan, type PlannedModel } from './memory-plan.ts';
import { mergedConfig, mergeModel } from './merged-weights.ts';
import { SampleScheduler } from './sample-scheduler.ts';
import { Snapshots } from './snapshots.ts';

/** The losses that the kernels compute. */
export const everyLoss: readonly Loss['name'][] = ['importance_sampling', 'ppo', 'cispo', 'cross_entropy'];

const optionNames: Readonly<Record<keyof LlamaEngineOptions, true>> = {
  config: true,
  weights: true,
  adaptation: true,
  threads: true,
  simd: true,
  wideKernels: true,
};

/**
 * Runs a Llama model that samples and trains on worker threads of this process, in single precision. All weights lie in one shared
 * WebAssembly memory; with an adaptation they are frozen, and adapters are trained beside them. Training splits samples over the threads, each with its own gradient; sampling splits sequences.
 * Training calls take effect in the order in which they are made.
 */
export class LlamaEngine {
  readonly config: LlamaConfig;
  /** The kernels that were chosen. */
  readonly kernels: KernelKind;
  readonly adaptation: Adaptation | undefined;
  /** The shapes of what is trained: of all parameters, or of the adapters. */
  readonly trainedShapes: Shapes;
  readonly #sampleLimits: Parameters<typeof backendChecks.samples>[1];
  readonly #model: PlannedModel;
  readonly #plan: MemoryPlan;
  readonly #memory: ModelMemory;
  readonly #pool: WorkerPool;
  readonly #kernels: Kernels;
  readonly #scheduler: SampleScheduler;
  readonly #snapshots: Snapshots;
  readonly #critic: Critic;
  #step = 0;
  /** The training call in progress or the last one; never rejects. */
  #queue: Promise<unknown> = Promise.resolve();
  #queued = 0;

  private constructor(model: PlannedModel, { kind, module }: LoadedKernels) {
    const { config, adaptation, threads } = model;
    this.config = config;
    this.kernels = kind;
    this.adaptation = adaptation;
    this.trainedShapes = trainedShapes(config, adaptation);
    // The last token of a sample is predicted, but never read.
    this.#sampleLimits = {
      vocabularySize: config.vocabSize,
      maxSampleTokens: config.maxPositions + 1,
      hasTemperature: true,
    };
    this.#model = model;
    this.#plan = withMemoryErrors(() => planMemory(model));
    this.#memory = withMemoryErrors(() => createModelMemory(config, model.layout, this.#plan));
    const { memory, map } = this.#memory;
    this.#pool = new WorkerPool(
      Array.from({ length: threads }, (_, thread) => ({ config, adaptation, module, memory, map, thread, threads })),
    );
    this.#kernels = instantiateKernels(module, memory);
    this.#critic = new Critic(config.hiddenSize);
    this.#scheduler = new SampleScheduler(config, this.#pool);
    this.#snapshots = new Snapshots(this.#memory, this.#kernels, (version) =>
      this.#pool.broadcast({ kind: 'forget', version }),
    );
  }

  /** Starts the worker threads on the given weights. @throws BackendError `checkpoint-unsupported` | `backend-failed`; ConfigurationError `option-invalid` */
  static async create(options: LlamaEngineOptions): Promise<LlamaEngine> {
    check.knownOptions('LlamaEngine.create', options, optionNames);
    const { config, threads, adaptation, weights } = options;
    checkConfig(config);
    checkThreads(threads);
    if (isTensors(weights)) checkTensors(weights, parameterShapes(config));
    const model = { config, threads, adaptation, layout: layOutParameters(config, adaptation) };
    const engine = new LlamaEngine(model, await loadKernels(options));
    try {
      await writeInitialWeights(engine.#memory, engine.trainedShapes, weights);
      await engine.#pool.runAll({ kind: 'pack' });
    } catch (error) {
      await engine.close();
      throw error;
    }
    return engine;
  }

  /** Replaces the adapters by new ones, which change nothing yet, drawn by the seed; where all weights are trained it does nothing. */
  async restartAdapters(seed: number): Promise<void> {
    if (this.adaptation) await this.loadWeights(startAdapters(this.trainedShapes, seed));
  }

  /** Returns the log-probabilities of each sample under the training weights or a snapshot: shape (T,), nats, 0 where `lossMask` is 0. */
  async forward(samples: readonly TrainingSample[], weights?: WeightsVersion): Promise<readonly Float32Array[]> {
    backendChecks.samples(samples, this.#sampleLimits);
    const address = weights ? this.#snapshots.acquire(weights) : this.#memory.map.forward;
    try {
      return await this.#enqueue(async () => {
        const { logprobs } = await this.#train(samples, address);
        if (!logprobs.every((values) => values.every(Number.isFinite)))
          throw describeDivergence('A log-probability is not finite');
        return logprobs;
      });
    } finally {
      if (weights) this.#snapshots.release(weights);
    }
  }

  /** Returns the critic's value of the state before each token of each sample: shape (T,), 0 where `lossMask` is 0. */
  async values(samples: readonly TrainingSample[]): Promise<readonly Float32Array[]> {
    backendChecks.samples(samples, this.#sampleLimits);
    return await this.#enqueue(async () => {
      const head = this.#critic.weights;
      const { critic } = await this.#train(samples, this.#memory.map.forward, undefined, { head });
      if (!critic!.values.every((values) => values.every(Number.isFinite)))
        throw describeDivergence('A value of the critic is not finite');
      return critic!.values;
    });
  }

  /**
   * Adds the gradient of the loss, and of the critic's where it is given, to what earlier calls accumulated.
   * @throws BackendError `samples-invalid`; `loss-unsupported`; `numerics` when a loss is not finite: the accumulated gradient is then cleared
   */
  async forwardBackward(
    samples: readonly TrainingSample[],
    loss: Loss,
    valueLoss?: ValueLoss,
  ): Promise<Awaited<ReturnType<TrainablePolicy['forwardBackward']>>> {
    backendChecks.samples(samples, this.#sampleLimits);
    backendChecks.loss(loss, everyLoss, { dualClip: true });
    if (valueLoss) backendChecks.valueLoss(valueLoss, samples, true);
    return await this.#enqueue(async () => {
      const critic = valueLoss && { head: this.#critic.weights, loss: valueLoss };
      const total = await this.#train(samples, this.#memory.map.forward, loss, critic);
      // The gradient is float32 as well.
      if (!Number.isFinite(Math.fround(total.loss)))
        throw await this.#dropGradient(`The ${loss.name} loss is ${total.loss}`);
      if (total.critic && !Number.isFinite(Math.fround(total.critic.loss)))
        throw await this.#dropGradient(`The critic's loss is ${total.critic.loss}`);
      if (total.critic) this.#critic.addGradient(total.critic.gradient);
      const entropy = total.trainedTokens > 0 ? { entropy: total.entropy / total.trainedTokens } : {};
      const valued = total.critic ? { valueLoss: total.critic.loss } : {};
      return { logprobs: total.logprobs, loss: total.loss, trainedTokens: total.trainedTokens, ...entropy, ...valued };
    });
  }

  /**
   * Takes one AdamW step over all parameters on the accumulated gradient, and clears the gradient. The critic's head steps by itself.
   * @throws BackendError `numerics` when the gradient is not finite: the weights stay and the gradient is cleared
   */
  async optimStep(
    adam: AdamParameters,
    criticLearningRate?: number,
  ): Promise<Required<Awaited<ReturnType<TrainablePolicy['optimStep']>>>> {
    const resolved = backendChecks.adam(adam);
    const { learningRate, beta1, beta2, epsilon, weightDecay, maxGradientNorm } = resolved;
    const criticRate = backendChecks.criticRate(criticLearningRate, adam, true);
    return await this.#enqueue(async () => {
      const squares = new Map((await this.#pool.runAll({ kind: 'reduce' })).flatMap((part) => [...part.squares]));
      const blocks = this.#memory.layout.blocks;
      const gradientNorm = Math.sqrt(blocks.reduce((sum, _, index) => sum + squares.get(index)!, 0));
      if (!Number.isFinite(gradientNorm)) throw await this.#dropGradient(`The gradient's norm is ${gradientNorm}`);
      const step = this.#step + 1;
      const numbers = {
        // As torch.nn.utils.clip_grad_norm_, which keeps the quotient finite by 1e-6.
        gradientScale: maxGradientNorm > 0 ? Math.min(1, maxGradientNorm / (gradientNorm + 1e-6)) : 1,
        decay: 1 - learningRate * weightDecay,
        beta1,
        beta2,
        epsilon,
        stepSize: learningRate / (1 - beta1 ** step),
        rootCorrection: Math.sqrt(1 - beta2 ** step),
      };
      await this.#pool.runAll({ kind: 'step', numbers });
      this.#critic.step({ ...resolved, learningRate: criticRate });
      this.#step = step;
      return { gradientNorm, step };
    });
  }

  /** Copies the training weights, frozen, for sampling and reference. @throws BackendError while a training call is in flight */
  snapshot(): WeightsVersion {
    this.#assertIdle('snapshot');
    return this.#snapshots.take();
  }

  /** Discards a snapshot; its memory is reused when no sample in flight reads it. */
  discard(version: WeightsVersion): void {
    this.#snapshots.discard(version);
  }

  /** Returns copies of what is trained: all parameters, or the adapters. */
  exportWeights(): Map<string, Float32Array> {
    this.#assertIdle('exportWeights');
    return readTensors(this.#memory, this.#memory.map.weights);
  }

  /**
   * Returns the parameters of the whole model, with the adapters added where there are any, in the order of `parameterShapes` of
   * {@link exportedConfig}. Each is computed when it is asked for; nothing may train meanwhile.
   */
  exportModel(): Iterable<readonly [string, Float32Array]> {
    this.#assertIdle('exportModel');
    if (this.adaptation) return mergeModel(this.#memory, this.#kernels, this.exportedConfig);
    const weights = this.exportWeights();
    return Array.from(this.trainedShapes.keys(), (name) => [name, weights.get(name)!] as const);
  }

  /** The configuration of {@link exportModel}. */
  get exportedConfig(): LlamaConfig {
    return mergedConfig(this.config, this.adaptation);
  }

  /** Replaces what is trained and drops the accumulated gradient; snapshots and the optimizer stay. @throws BackendError `checkpoint-unsupported` */
  async loadWeights(weights: LlamaWeights): Promise<void> {
    this.#assertIdle('loadWeights');
    checkTensors(weights, this.trainedShapes);
    writeTensors(this.#memory, this.#memory.map.weights, weights);
    await this.#enqueue(async () => {
      await this.#clearGradient();
      await this.#pool.runAll({ kind: 'pack' });
    });
  }

  /** Returns the critic's head and its optimizer; undefined where it was never trained. */
  exportCritic(): CriticState | undefined {
    this.#assertIdle('exportCritic');
    return this.#critic.save();
  }

  /** Replaces the critic's head and its optimizer, or puts them back to their start where none are given. @throws BackendError `checkpoint-corrupt` */
  loadCritic(state: CriticState | undefined): void {
    this.#assertIdle('loadCritic');
    this.#critic.load(state);
  }

  exportOptimizer(): OptimizerState {
    this.#assertIdle('exportOptimizer');
    return {
      step: this.#step,
      moments1: readTensors(this.#memory, this.#memory.map.moments1),
      moments2: readTensors(this.#memory, this.#memory.map.moments2),
    };
  }

  loadOptimizer(state: OptimizerState): void {
    this.#assertIdle('loadOptimizer');
    checkTensors(state.moments1, this.trainedShapes);
    checkTensors(state.moments2, this.trainedShapes);
    if (!Number.isSafeInteger(state.step) || state.step < 0) {
      throw new BackendError(`An optimizer's step must be an integer from 0; it is ${state.step}.`, {
        code: 'checkpoint-corrupt',
      });
    }
    writeTensors(this.#memory, this.#memory.map.moments1, state.moments1);
    writeTensors(this.#memory, this.#memory.map.moments2, state.moments2);
    this.#step = state.step;
  }

  /**
   * Samples `choices` continuations; pieces of different choices interleave.
   * @throws BackendError `samples-invalid` | `context-exceeded` | `numerics`; the signal's reason when it aborts
   */
  async *sample(request: SampleRequest): AsyncGenerator<SampledPiece, void> {
    const address = this.#snapshots.acquire(request.weights);
    try {
      yield* this.#scheduler.sample(request, address);
    } finally {
      this.#snapshots.release(request.weights);
    }
  }

  /** Ends the worker threads; calls in flight fail with `backend-closed`. */
  async close(): Promise<void> {
    await this.#pool.close();
  }

  /** Runs a pass on as many threads as the longest sample leaves room for. */
  async #train(
    samples: readonly TrainingSample[],
    forward: Address,
    loss?: Loss,
    critic?: CriticShare,
  ): Promise<TrainedTotal> {
    const longest = Math.max(...samples.map(({ tokens }) => tokens.length - 1));
    const threads = trainingThreads(this.#model, this.#plan, longest);
    const { workingBytes } = this.#plan;
    return await runPass(this.#pool, samples, forward, loss, { threads, workingBytes }, critic);
  }

  async #clearGradient(): Promise<void> {
    await this.#pool.runAll({ kind: 'clear' });
    this.#critic.clearGradient();
  }

  /** Clears the gradient, and returns the error that says why. */
  async #dropGradient(what: string): Promise<BackendError> {
    await this.#clearGradient();
    return describeDivergence(what);
  }

  /** Runs training calls one after the other. */
  async #enqueue<Result>(call: () => Promise<Result>): Promise<Result> {
    this.#queued++;
    const result = this.#queue.then(call);
    this.#queue = result.then(
      () => undefined,
      () => undefined,
    );
    try {
      return await result;
    } finally {
      this.#queued--;
    }
  }

  #assertIdle(what: string): void {
    if (this.#queued > 0)
      throw new BackendError(`${what}() was called while a training call is in flight; await that call first.`, {
        code: 'backend-failed',
      });
  }
}

function describeDivergence(what: string): BackendError {
  return new BackendError(
    `${what}: the policy has diverged from the samples' log-probabilities, or the advantages or the learning rate are too large. The weights are unchanged.`,
    { code: 'numerics' },
  );
}
