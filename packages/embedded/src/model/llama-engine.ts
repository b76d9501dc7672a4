import {
  BackendError,
  checkLoss,
  checkRows,
  resolveAdam,
  type AdamParameters,
  type ForwardBackwardResult,
  type Loss,
  type OptimStepResult,
  type RowLimits,
  type TrainingRow,
} from '@agent-lightning/core';
import { checkConfig, checkThreads, checkWeights } from './engine-checks.ts';
import { createEngineMemory, type EngineMemory } from './engine-memory.ts';
import { EngineFault } from '../threads/engine-fault.ts';
import { loadKernels } from '../kernels/kernel-binary.ts';
import { instantiateKernels, type Address, type Kernels } from '../kernels/kernels.ts';
import type {
  LlamaConfig,
  LlamaEngineOptions,
  LlamaWeights,
  OptimizerState,
  SampledPiece,
  SampleRequest,
  WeightsVersion,
} from './llama-types.ts';
import type { Parameter } from './parameter-layout.ts';
import { SampleDesk } from '../sampling/sample-desk.ts';
import { dealRows, flattenRows } from '../training/training-rows.ts';
import { WorkerPool } from '../threads/worker-pool.ts';
import type { JobResults } from '../threads/worker-protocol.ts';

export { parameterShapes } from './parameter-layout.ts';

/** The losses that the kernels compute. */
export const everyLoss: readonly Loss['name'][] = ['importance_sampling', 'ppo', 'cispo', 'cross_entropy'];

/** A frozen copy of the forward weights, and who still reads it. */
interface Snapshot {
  readonly address: Address;
  readers: number;
  isDiscarded: boolean;
}

/**
 * A Llama model that samples and trains on worker threads of this process, in single precision. All weights lie in one shared
 * WebAssembly memory. Training splits rows over the threads, each with its own gradient; sampling splits sequences.
 * Training calls take effect in the order in which they are made.
 */
export class LlamaEngine {
  readonly config: LlamaConfig;
  readonly #rowLimits: RowLimits;
  readonly #memory: EngineMemory;
  readonly #kernels: Kernels;
  readonly #pool: WorkerPool;
  readonly #desk: SampleDesk;
  readonly #snapshots = new Map<number, Snapshot>();
  #nextVersion = 1;
  #step = 0;
  /** The training call in progress or the last one; never rejects. */
  #queue: Promise<unknown> = Promise.resolve();
  #queued = 0;

  private constructor(config: LlamaConfig, memory: EngineMemory, kernels: Kernels, pool: WorkerPool) {
    this.config = config;
    // The last token of a row is predicted, but never read.
    this.#rowLimits = { vocabularySize: config.vocabSize, maxRowTokens: config.maxPositions + 1 };
    this.#memory = memory;
    this.#kernels = kernels;
    this.#pool = pool;
    this.#desk = new SampleDesk(config, pool);
  }

  /** @throws BackendError `checkpoint-unsupported` | `backend-failed`; ConfigurationError `option-invalid` */
  static async create(options: LlamaEngineOptions): Promise<LlamaEngine> {
    const { config, threads } = options;
    checkConfig(config);
    checkThreads(threads);
    checkWeights(options.weights, config);
    const module = await loadKernels(options.simd ?? 'auto');
    const memory = inMemory(() => createEngineMemory(config, threads));
    const starts = Array.from({ length: threads }, (_, thread) => ({
      config,
      module,
      memory: memory.memory,
      map: memory.map,
      thread,
      threads,
    }));
    const engine = new LlamaEngine(config, memory, instantiateKernels(module, memory.memory), new WorkerPool(starts));
    engine.#write(memory.map.weights, options.weights);
    try {
      await engine.#pool.runAll({ kind: 'pack' });
    } catch (error) {
      await engine.close();
      throw error;
    }
    return engine;
  }

  /** Per row, shape (T,), nats: log-probabilities under the training weights or a snapshot; 0 where `lossMask` is 0. */
  async forward(rows: readonly TrainingRow[], weights?: WeightsVersion): Promise<readonly Float32Array[]> {
    checkRows(rows, this.#rowLimits);
    const snapshot = weights && this.#hold(weights);
    try {
      return await this.#enqueue(async () => {
        const { logprobs } = await this.#train(rows, snapshot?.address ?? this.#memory.map.forward);
        if (!logprobs.every((row) => row.every(Number.isFinite))) throw diverged('A log-probability is not finite');
        return logprobs;
      });
    } finally {
      if (weights) this.#release(weights);
    }
  }

  /**
   * Adds the gradient of the loss to what earlier calls accumulated.
   * @throws BackendError `rows-invalid`; `loss-unsupported`; `numerics` when the loss is not finite: the accumulated gradient is then cleared
   */
  async forwardBackward(rows: readonly TrainingRow[], loss: Loss): Promise<ForwardBackwardResult> {
    checkRows(rows, this.#rowLimits);
    checkLoss(loss, everyLoss);
    return await this.#enqueue(async () => {
      const total = await this.#train(rows, this.#memory.map.forward, loss);
      if (!Number.isFinite(total.loss)) {
        await this.#pool.runAll({ kind: 'clear' });
        throw diverged(`The ${loss.name} loss is ${total.loss}`);
      }
      const entropy = total.trainedTokens > 0 ? { entropy: total.entropy / total.trainedTokens } : {};
      return { logprobs: total.logprobs, loss: total.loss, trainedTokens: total.trainedTokens, ...entropy };
    });
  }

  /**
   * One AdamW step over all parameters on the accumulated gradient, which it clears.
   * @throws BackendError `numerics` when the gradient is not finite: the weights stay and the gradient is cleared
   */
  async optimStep(adam: AdamParameters): Promise<Required<OptimStepResult>> {
    const { learningRate, beta1, beta2, epsilon, weightDecay, maxGradientNorm } = resolveAdam(adam);
    return await this.#enqueue(async () => {
      const squares = new Map((await this.#pool.runAll({ kind: 'reduce' })).flatMap((part) => [...part.squares]));
      const blocks = this.#memory.layout.blocks;
      const gradientNorm = Math.sqrt(blocks.reduce((sum, _, index) => sum + squares.get(index)!, 0));
      if (!Number.isFinite(gradientNorm)) {
        await this.#pool.runAll({ kind: 'clear' });
        throw diverged(`The gradient's norm is ${gradientNorm}`);
      }
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
      this.#step = step;
      return { gradientNorm, step };
    });
  }

  /** A frozen copy of the training weights, for sampling and reference. @throws BackendError while a training call is in flight */
  snapshot(): WeightsVersion {
    this.#assertIdle('snapshot');
    const { heap, layout, map } = this.#memory;
    const address = inMemory(() => heap.allocate(layout.forwardFloats * 4));
    this.#kernels.copyFloats(layout.forwardFloats, map.forward, address);
    const version = { id: this.#nextVersion++ };
    this.#snapshots.set(version.id, { address, readers: 0, isDiscarded: false });
    return version;
  }

  /** Lets go of a snapshot; its memory is reused when no sample in flight reads it. */
  discard(version: WeightsVersion): void {
    this.#snapshotOf(version).isDiscarded = true;
    this.#freeIfUnread(version.id);
  }

  exportWeights(): Map<string, Float32Array> {
    this.#assertIdle('exportWeights');
    return this.#read(this.#memory.map.weights);
  }

  /** Replaces the training weights and drops the accumulated gradient; snapshots and the optimizer stay. @throws BackendError `checkpoint-unsupported` */
  async loadWeights(weights: LlamaWeights): Promise<void> {
    this.#assertIdle('loadWeights');
    checkWeights(weights, this.config);
    this.#write(this.#memory.map.weights, weights);
    await this.#enqueue(async () => {
      await this.#pool.runAll({ kind: 'clear' });
      await this.#pool.runAll({ kind: 'pack' });
    });
  }

  exportOptimizer(): OptimizerState {
    this.#assertIdle('exportOptimizer');
    return {
      step: this.#step,
      moments1: this.#read(this.#memory.map.moments1),
      moments2: this.#read(this.#memory.map.moments2),
    };
  }

  loadOptimizer(state: OptimizerState): void {
    this.#assertIdle('loadOptimizer');
    checkWeights(state.moments1, this.config);
    checkWeights(state.moments2, this.config);
    if (!Number.isSafeInteger(state.step) || state.step < 0) {
      throw new BackendError(`An optimizer's step must be an integer from 0; it is ${state.step}.`, {
        code: 'checkpoint-corrupt',
      });
    }
    this.#write(this.#memory.map.moments1, state.moments1);
    this.#write(this.#memory.map.moments2, state.moments2);
    this.#step = state.step;
  }

  /**
   * Samples `choices` continuations; pieces of different choices interleave.
   * @throws BackendError `rows-invalid` | `context-exceeded` | `numerics`; the signal's reason when it aborts
   */
  async *sample(request: SampleRequest): AsyncGenerator<SampledPiece, void> {
    const snapshot = this.#hold(request.weights);
    try {
      yield* this.#desk.sample(request, snapshot.address);
    } finally {
      this.#release(request.weights);
    }
  }

  /** Ends the worker threads; calls in flight fail with `backend-closed`. */
  async close(): Promise<void> {
    await this.#pool.close();
  }

  async #train(rows: readonly TrainingRow[], forward: Address, loss?: Loss): Promise<JobTotal> {
    const hands = dealRows(rows, this.#pool.threads);
    const jobs = hands.map((hand) => ({
      kind: 'train' as const,
      rows: flattenRows(hand.map((index) => rows[index]!)),
      forward,
      ...(loss && { loss }),
    }));
    const parts = await this.#pool.run<'train'>(jobs);
    const logprobs: Float32Array[] = Array.from({ length: rows.length });
    for (const [thread, hand] of hands.entries()) {
      let offset = 0;
      for (const index of hand) {
        const length = rows[index]!.tokens.length;
        logprobs[index] = parts[thread]!.logprobs.slice(offset, offset + length);
        offset += length;
      }
    }
    const sum = (field: 'loss' | 'entropy' | 'trainedTokens'): number =>
      parts.reduce((total, part) => total + part[field], 0);
    return { logprobs, loss: sum('loss'), entropy: sum('entropy'), trainedTokens: sum('trainedTokens') };
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

  #hold(version: WeightsVersion): Snapshot {
    const snapshot = this.#snapshotOf(version);
    snapshot.readers++;
    return snapshot;
  }

  #release(version: WeightsVersion): void {
    const snapshot = this.#snapshots.get(version.id);
    if (!snapshot) return;
    snapshot.readers--;
    this.#freeIfUnread(version.id);
  }

  #snapshotOf(version: WeightsVersion): Snapshot {
    const snapshot = this.#snapshots.get(version.id);
    if (!snapshot || snapshot.isDiscarded)
      throw new BackendError(`Weights version ${version.id} was discarded or is of another engine.`, {
        code: 'backend-failed',
      });
    return snapshot;
  }

  #freeIfUnread(id: number): void {
    const snapshot = this.#snapshots.get(id)!;
    if (!snapshot.isDiscarded || snapshot.readers > 0) return;
    this.#snapshots.delete(id);
    this.#pool.broadcast({ kind: 'forget', version: id });
    this.#memory.heap.free(snapshot.address, this.#memory.layout.forwardFloats * 4);
  }

  /** Copies named tensors into a region arranged as the weights; padding stays 0. */
  #write(region: Address, tensors: LlamaWeights): void {
    for (const parameter of this.#memory.layout.parameters) {
      const view = this.#view(region, parameter);
      const tensor = tensors.get(parameter.name)!;
      for (let row = 0; row < parameter.rows; row++)
        view.set(tensor.subarray(row * parameter.columns, (row + 1) * parameter.columns), row * parameter.stride);
    }
  }

  #read(region: Address): Map<string, Float32Array> {
    return new Map(
      this.#memory.layout.parameters.map((parameter) => {
        const view = this.#view(region, parameter);
        const tensor = new Float32Array(parameter.rows * parameter.columns);
        for (let row = 0; row < parameter.rows; row++)
          tensor.set(
            view.subarray(row * parameter.stride, row * parameter.stride + parameter.columns),
            row * parameter.columns,
          );
        return [parameter.name, tensor];
      }),
    );
  }

  #view(region: Address, { offset, rows, stride }: Parameter): Float32Array {
    return new Float32Array(this.#memory.memory.buffer, region + offset * 4, rows * stride);
  }
}

/** The threads' results together; `logprobs` by row. */
interface JobTotal extends Omit<JobResults['train'], 'logprobs'> {
  readonly logprobs: readonly Float32Array[];
}

function diverged(what: string): BackendError {
  return new BackendError(
    `${what}: the policy has diverged from the rows' log-probabilities, or the advantages or the learning rate are too large. The weights are unchanged.`,
    { code: 'numerics' },
  );
}

/** Raises a full memory as the contract's error. */
function inMemory<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof EngineFault || cause instanceof RangeError)
      throw new BackendError(cause.message, { code: 'backend-failed', cause });
    throw cause;
  }
}
