/** Implements a training backend on a Tinker-style server. */
import {
  BackendError,
  type BackendCapabilities,
  type PolicySnapshot,
  type TrainablePolicy,
  type TrainingBackend,
  type Logger,
  backendChecks,
} from '@agent-lightning/core';
import { encodeAnswer } from '@agent-lightning/text';
import type { Connection } from './connection.ts';
import type { AdamField } from './server-kinds.ts';
import type { LoraSpec } from './tinker-model.ts';
import { TinkerPolicy } from './tinker-policy.ts';

export interface TinkerBackendParts {
  readonly name: string;
  /** Opens the connection with the first call that needs the server; called again after a failure, which must leave nothing behind. */
  readonly open: () => Promise<Connection>;
  readonly lora: LoraSpec;
  readonly serverAdam: Readonly<Partial<Record<AdamField, number>>>;
  readonly logger: Logger;
  /** Ends a server that is this backend's own, after the connection is closed. Without it, models are unloaded, since others use the server. */
  readonly closeServer?: () => Promise<void>;
}

/** The longest wait for a shared server to free this backend's models. */
const unloadTimeoutMs = 10_000;

/** A training backend that opens its server with the first call that needs it. */
export class TinkerBackend implements TrainingBackend, AsyncDisposable {
  readonly name: string;
  readonly #parts: TinkerBackendParts;
  readonly #policies = new Map<string, Promise<TinkerPolicy>>();
  #connection: Promise<Connection> | undefined;
  #closing: Promise<void> | undefined;

  constructor(parts: TinkerBackendParts) {
    this.name = parts.name;
    this.#parts = parts;
  }

  async capabilities(): Promise<BackendCapabilities> {
    const { limits, losses, dualClip, hasCritic, publisher, description } = await this.#connect();
    const { lora, serverAdam } = this.#parts;
    return {
      losses,
      ...(dualClip ? { dualClip } : {}),
      maxSampleTokens: limits.maxSampleTokens,
      snapshot: publisher.kind,
      liveSnapshots: publisher.liveSnapshots,
      hasTemperature: limits.hasTemperature === true,
      trainedWeights: lora.rank === 0 ? 'all' : 'adapter',
      ...(hasCritic ? { critic: true } : {}),
      ...(Object.keys(serverAdam).length === 0 ? {} : { fixedAdam: serverAdam }),
      description,
    };
  }

  async createPolicy(spec: Parameters<TrainingBackend['createPolicy']>[0]): Promise<TrainablePolicy> {
    backendChecks.policySpec(spec, this.#policies);
    const { name, seed } = spec;
    this.#requireOpen();
    const creating = this.#create(name, seed);
    this.#policies.set(name, creating);
    return await creating.catch((error: unknown) => {
      this.#policies.delete(name); // another try may take the name
      throw error;
    });
  }

  async baseSnapshot(): Promise<PolicySnapshot | undefined> {
    return await (await this.#connect()).publisher.baseSnapshot();
  }

  async tokenTexts(tokens: Int32Array): Promise<readonly string[]> {
    const { tokenizer } = (await this.#connect()).text;
    return Array.from(tokens, (token) => tokenizer.textOf(token));
  }

  async encodeAnswer(
    call: Parameters<NonNullable<TrainingBackend['encodeAnswer']>>[0],
  ): ReturnType<NonNullable<TrainingBackend['encodeAnswer']>> {
    return encodeAnswer((await this.#connect()).text, call);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #create(name: string, seed: number): Promise<TinkerPolicy> {
    const connection = await this.#connect();
    const {
      client,
      traits,
      model,
      text,
      limits,
      losses,
      dualClip,
      takesMask,
      hasCritic,
      loadsInPlace,
      base,
      publisher,
    } = connection;
    const { lora, serverAdam, logger } = this.#parts;
    return await TinkerPolicy.create({
      spec: { baseModel: model, lora, seed, policy: name },
      client,
      traits,
      serverAdam,
      limits,
      losses,
      dualClip,
      takesMask,
      hasCritic,
      loadsInPlace,
      base,
      publisher,
      textDirectory: text.directory,
      logger,
      requireOpen: () => this.#requireOpen(),
    });
  }

  async #close(): Promise<void> {
    const opened = await this.#connection?.catch(() => undefined);
    if (opened !== undefined) {
      if (this.#parts.closeServer === undefined) await this.#unloadPolicies();
      await opened.publisher.close();
      await opened.client.close(closed());
    }
    await this.#parts.closeServer?.();
  }

  async #unloadPolicies(): Promise<void> {
    const signal = AbortSignal.timeout(unloadTimeoutMs);
    // The server frees what is left when the session's heartbeats end.
    await Promise.allSettled([...this.#policies.values()].map(async (policy) => (await policy).unload(signal)));
  }

  async #connect(): Promise<Connection> {
    this.#requireOpen();
    this.#connection ??= this.#parts.open().catch((error: unknown) => {
      this.#connection = undefined; // a later call tries again
      throw error;
    });
    return await this.#connection;
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) throw closed();
  }
}

function closed(): BackendError {
  return new BackendError('This training backend is closed.', { code: 'backend-closed' });
}
