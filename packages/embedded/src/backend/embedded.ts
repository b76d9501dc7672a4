/** Trains small models of the Llama family in this process, on worker threads of the CPU, without native code. */
import {
  BackendError,
  type BackendCapabilities,
  type PolicySnapshot,
  type TrainingBackend,
  backendChecks,
} from '@agent-lightning/core';
import { encodeAnswer } from '@agent-lightning/text';

import { loadKernels, type KernelKind } from '../kernels/kernel-binary.ts';
import { openCheckpoint, type OpenCheckpoint } from '../checkpoint/checkpoint.ts';
import type { WeightsVersion } from '../engine/engine-types.ts';
import { everyLoss, LlamaEngine } from '../engine/llama-engine.ts';
import { RandomStream } from '../random/random-stream.ts';
import { EmbeddedPolicy, type EmbeddedTrainablePolicy } from './embedded-policy.ts';
import { EmbeddedSampling } from './embedded-sampling.ts';
import { resolveContextLength, resolveOptions, type EmbeddedOptions, type ResolvedOptions } from './options.ts';
import { PublishedWeights } from './published-weights.ts';

/** An engine that starts from the base model and holds it, frozen, as a version. */
interface EngineOnBase {
  readonly checkpoint: OpenCheckpoint;
  readonly engine: LlamaEngine;
  readonly base: WeightsVersion;
}

/**
 * Creates a training backend that computes in this process.
 *
 * @throws {ConfigurationError} `option-invalid` naming the option; a missing or unusable model is named by the first call
 *   that needs it
 */
export function embedded(options: EmbeddedOptions): EmbeddedBackend {
  return new EmbeddedTraining(resolveOptions(options));
}

/** A training backend that always serves its base model, whose policies can write their adapters, and that `await using` closes. */
export interface EmbeddedBackend extends TrainingBackend, AsyncDisposable {
  createPolicy(spec: Parameters<TrainingBackend['createPolicy']>[0]): Promise<EmbeddedTrainablePolicy>;
  baseSnapshot(): Promise<PolicySnapshot>;
  /**
   * Returns which kernels this backend runs on this machine.
   * @throws {ConfigurationError} `option-invalid` when the runtime does not have those that the options ask for
   */
  kernels(): Promise<KernelKind>;
}

class EmbeddedTraining implements EmbeddedBackend {
  readonly name = 'embedded';
  readonly #options: ResolvedOptions;
  readonly #policies = new Set<string>();
  readonly #engines = new Set<Promise<EngineOnBase>>();
  #checkpoint: Promise<OpenCheckpoint> | undefined;
  /** The first engine: serves the base model, and trains the first policy. */
  #first: Promise<EngineOnBase> | undefined;
  #firstTaken = false;
  #base: Promise<PolicySnapshot> | undefined;
  #closed = false;

  constructor(options: ResolvedOptions) {
    this.#options = options;
  }

  async capabilities(): Promise<BackendCapabilities> {
    const { config } = await this.#load();
    const { threads, adaptation } = this.#options;
    const trained = adaptation
      ? `LoRA of rank ${adaptation.rank} beside frozen weights in ${adaptation.frozenType}`
      : 'all weights in float32';
    return {
      losses: everyLoss,
      dualClip: true,
      maxSampleTokens: config.maxPositions + 1, // the last token of a sample is predicted, but never read
      snapshot: 'engine',
      hasTemperature: true,
      trainedWeights: adaptation ? 'adapter' : 'all',
      critic: true,
      description: `A Llama-family model with ${config.layers} layers of ${config.hiddenSize}, ${trained}, on ${threads} CPU threads of this process`,
    };
  }

  async createPolicy(spec: Parameters<TrainingBackend['createPolicy']>[0]): Promise<EmbeddedTrainablePolicy> {
    backendChecks.policySpec(spec, this.#policies);
    const { name, seed } = spec;
    this.#requireOpen();
    this.#policies.add(name);
    const takesFirst = !this.#firstTaken;
    this.#firstTaken = true;
    try {
      const { checkpoint, engine, base } = await (takesFirst ? this.#firstEngine() : this.#startEngine());
      await engine.restartAdapters(seed);
      return new EmbeddedPolicy({ name, seed, checkpoint, engine, base, requireOpen: () => this.#requireOpen() });
    } catch (error) {
      this.#policies.delete(name);
      if (takesFirst) this.#firstTaken = false;
      throw error;
    }
  }

  async kernels(): Promise<KernelKind> {
    return (await loadKernels(this.#options)).kind;
  }

  baseSnapshot(): Promise<PolicySnapshot> {
    this.#base ??= this.#publishBase().catch((error: unknown) => {
      this.#base = undefined;
      throw error;
    });
    return this.#base;
  }

  async tokenTexts(tokens: Int32Array): Promise<readonly string[]> {
    const { tokenizer } = await this.#load();
    return Array.from(tokens, (token) => tokenizer.textOf(token));
  }

  async encodeAnswer(
    call: Parameters<NonNullable<TrainingBackend['encodeAnswer']>>[0],
  ): ReturnType<NonNullable<TrainingBackend['encodeAnswer']>> {
    return encodeAnswer(await this.#load(), call);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const started = await Promise.allSettled(this.#engines);
    await Promise.all(
      started.map((result) => (result.status === 'fulfilled' ? result.value.engine.close() : undefined)),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #publishBase(): Promise<PolicySnapshot> {
    const { checkpoint, engine, base } = await this.#firstEngine();
    const published = new PublishedWeights(engine, base, 'The base model');
    return {
      kind: 'engine',
      version: 0,
      engine: new EmbeddedSampling(checkpoint, published, engine.config.maxPositions, new RandomStream(0)),
    };
  }

  #firstEngine(): Promise<EngineOnBase> {
    this.#first ??= this.#startEngine().catch((error: unknown) => {
      this.#first = undefined;
      throw error;
    });
    return this.#first;
  }

  /** Starts an engine and remembers it until it fails, so that `close` ends it. */
  async #startEngine(): Promise<EngineOnBase> {
    const starting = this.#createEngine();
    this.#engines.add(starting);
    try {
      return await starting;
    } catch (error) {
      this.#engines.delete(starting);
      throw error;
    }
  }

  async #createEngine(): Promise<EngineOnBase> {
    const checkpoint = await this.#load();
    this.#requireOpen();
    const { config, source } = checkpoint;
    const { threads, simd, wideKernels, adaptation } = this.#options;
    const parts = { config, threads, simd, wideKernels };
    const engine = await LlamaEngine.create(
      adaptation ? { ...parts, adaptation, weights: source } : { ...parts, weights: await source.readAll(config) },
    );
    try {
      return { checkpoint, engine, base: engine.snapshot() };
    } catch (error) {
      await engine.close();
      throw error;
    }
  }

  /** Returns the checkpoint with the context length that was asked for. It is read once; one that cannot be used is read again. */
  async #load(): Promise<OpenCheckpoint> {
    this.#requireOpen();
    this.#checkpoint ??= this.#readCheckpoint().catch((error: unknown) => {
      this.#checkpoint = undefined;
      throw error;
    });
    return await this.#checkpoint;
  }

  async #readCheckpoint(): Promise<OpenCheckpoint> {
    const checkpoint = await openCheckpoint(this.#options.model);
    const maxPositions = resolveContextLength(this.#options.contextLength, checkpoint.config.maxPositions);
    return { ...checkpoint, config: { ...checkpoint.config, maxPositions } };
  }

  #requireOpen(): void {
    if (this.#closed) throw new BackendError('This embedded backend is closed.', { code: 'backend-closed' });
  }
}
