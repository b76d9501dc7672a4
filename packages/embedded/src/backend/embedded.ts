/** Training in this process, on the CPU: tiny Llama models on worker threads, no native code. */
import {
  BackendError,
  checkPolicySpec,
  type BackendCapabilities,
  type PolicyRelease,
  type PolicySpec,
  type TrainablePolicy,
  type TrainingBackend,
} from '@agent-lightning/core';

import { loadCheckpoint, type Checkpoint } from '../checkpoint/checkpoint.ts';
import { everyLoss, LlamaEngine } from '../model/llama-engine.ts';
import type { WeightsVersion } from '../model/llama-types.ts';
import { RandomStream } from '../random-stream.ts';
import { EmbeddedPolicy } from './embedded-policy.ts';
import { EmbeddedSampling } from './embedded-sampling.ts';
import { resolveContextLength, resolveOptions, type EmbeddedOptions, type ResolvedOptions } from './options.ts';
import { PublishedWeights } from './published-weights.ts';

/** An engine that has the base model both as its training weights and, frozen, as a version. */
interface EngineOnBase {
  readonly engine: LlamaEngine;
  readonly base: WeightsVersion;
}

/**
 * A training backend in this process.
 *
 * @throws {ConfigurationError} `option-invalid` naming the option; a missing or unusable model is named by the first call
 *   that needs it
 */
export function embedded(options: EmbeddedOptions): EmbeddedBackend {
  return new EmbeddedTraining(resolveOptions(options));
}

/** A training backend that always serves its base model, and that `await using` closes. */
export interface EmbeddedBackend extends TrainingBackend, AsyncDisposable {
  baseRelease(): Promise<PolicyRelease>;
}

class EmbeddedTraining implements EmbeddedBackend {
  readonly name = 'embedded';
  readonly #options: ResolvedOptions;
  readonly #policies = new Set<string>();
  readonly #engines: Promise<EngineOnBase>[] = [];
  #checkpoint: Promise<Checkpoint> | undefined;
  /** The first engine: serves the base model, and trains the first policy. */
  #first: Promise<EngineOnBase> | undefined;
  #firstTaken = false;
  #base: Promise<PolicyRelease> | undefined;
  #closed = false;

  constructor(options: ResolvedOptions) {
    this.#options = options;
  }

  async capabilities(): Promise<BackendCapabilities> {
    const { config } = await this.#load();
    const { threads } = this.#options;
    return {
      losses: everyLoss,
      maxRowTokens: config.maxPositions + 1, // the last token of a row is predicted, but never read
      release: 'engine',
      description: `Llama with ${config.layers} layers of ${config.hiddenSize}, all weights in float32, on ${threads} CPU threads of this process`,
    };
  }

  async createPolicy(spec: PolicySpec): Promise<TrainablePolicy> {
    checkPolicySpec(spec, this.#policies);
    const { name, seed } = spec;
    this.#requireOpen();
    this.#policies.add(name);
    const engine = this.#firstTaken ? this.#startEngine() : this.#firstEngine();
    this.#firstTaken = true;
    const checkpoint = await this.#load();
    return new EmbeddedPolicy({ name, seed, checkpoint, ...(await engine), requireOpen: () => this.#requireOpen() });
  }

  baseRelease(): Promise<PolicyRelease> {
    this.#base ??= this.#publishBase();
    return this.#base;
  }

  async tokenTexts(tokens: Int32Array): Promise<readonly string[]> {
    const { tokenizer } = await this.#load();
    return Array.from(tokens, (token) => tokenizer.textOf(token));
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

  async #publishBase(): Promise<PolicyRelease> {
    const { engine, base } = await this.#firstEngine();
    const published = new PublishedWeights(engine, base, 'The base model');
    const checkpoint = await this.#load();
    return {
      kind: 'engine',
      version: 0,
      engine: new EmbeddedSampling(checkpoint, published, engine.config.maxPositions, new RandomStream(0)),
    };
  }

  #firstEngine(): Promise<EngineOnBase> {
    this.#first ??= this.#startEngine();
    return this.#first;
  }

  #startEngine(): Promise<EngineOnBase> {
    const started = this.#load().then(async ({ config, weights }) => {
      this.#requireOpen();
      const { threads, simd } = this.#options;
      const engine = await LlamaEngine.create({ config, weights, threads, simd });
      return { engine, base: engine.snapshot() };
    });
    this.#engines.push(started);
    return started;
  }

  /** The checkpoint, read once, with the context length that was asked for. */
  async #load(): Promise<Checkpoint> {
    this.#requireOpen();
    this.#checkpoint ??= loadCheckpoint(this.#options.model).then((checkpoint) => ({
      ...checkpoint,
      config: {
        ...checkpoint.config,
        maxPositions: resolveContextLength(this.#options.contextLength, checkpoint.config.maxPositions),
      },
    }));
    return this.#checkpoint;
  }

  #requireOpen(): void {
    if (this.#closed) throw new BackendError('This embedded backend is closed.', { code: 'backend-closed' });
  }
}
