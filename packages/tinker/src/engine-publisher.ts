/** Publishes snapshots that the training server samples itself. */
import { BackendError, type PolicySnapshot, type SamplingEngine } from '@agent-lightning/core';
import { createChatEngine, type ModelText, type TokenRequest } from '@agent-lightning/text';
import type { BaseModel } from './base-model.ts';
import type { ServerTraits } from './server-kinds.ts';
import type { Publishable, Publisher } from './publisher.ts';
import { malformed, type TinkerClient } from './tinker-client.ts';
import { SamplingSession } from './token-sampling.ts';

export interface EnginePublisherParts {
  readonly client: TinkerClient;
  readonly traits: ServerTraits;
  readonly base: BaseModel;
  readonly text: ModelText;
  readonly contextLength: number;
  readonly vocabularySize: number;
}

/** Publishes by `save_weights_for_sampler`; what a snapshot samples goes through `asample`. */
export class EnginePublisher implements Publisher {
  readonly kind = 'engine';
  readonly liveSnapshots: number;
  readonly #parts: EnginePublisherParts;
  readonly #live = new Map<string, LiveSession[]>();
  #base: Promise<PolicySnapshot> | undefined;

  constructor(parts: EnginePublisherParts) {
    this.#parts = parts;
    this.liveSnapshots = parts.traits.liveSnapshots;
  }

  async publish({ policy, model, version, nextSeed }: Publishable): Promise<PolicySnapshot> {
    const { client } = this.#parts;
    const live = this.#live.get(policy) ?? [];
    this.#live.set(policy, live);
    // A server with one version at a time overwrites it: nobody may sample from it meanwhile, or believe to later.
    if (this.liveSnapshots === 1) await Promise.all(live.splice(0).map((session) => session.retire()));
    const { sampling_session_id: id } = await model.save('save_weights_for_sampler', () => ({
      sampling_session_seq_id: client.nextSamplerSequenceId(),
      type: 'save_weights_for_sampler',
    }));
    if (typeof id !== 'string' || id === '') throw malformed('save_weights_for_sampler', 'sampling_session_id');
    const session = new LiveSession(this.#open(id), `Version ${version} of policy '${policy}'`, () => this.#free(id));
    live.push(session);
    while (live.length > this.liveSnapshots) void live.shift()?.retire();
    return { kind: 'engine', version, engine: this.#engine(session, nextSeed) };
  }

  async baseSnapshot(): Promise<PolicySnapshot | undefined> {
    if (!this.#parts.traits.servesBase) return undefined;
    this.#base ??= this.#parts.base.session().then((session) => {
      const never = new LiveSession(session, 'The base model', async () => undefined);
      let requests = 0;
      return { kind: 'engine', version: 0, engine: this.#engine(never, () => requests++) };
    });
    return this.#base;
  }

  async close(): Promise<void> {
    this.#live.clear(); // the server frees a session's samplers with it
  }

  #open(id: string): SamplingSession {
    return new SamplingSession(this.#parts.client, this.#parts.traits, id);
  }

  #engine(live: LiveSession, nextSeed: () => number): SamplingEngine {
    const { text, contextLength, vocabularySize } = this.#parts;
    return createChatEngine({
      text,
      contextLength,
      vocabularySize,
      sample: (request, signal) =>
        live.use((session) => session.sample({ ...request, seed: seedOf(request, nextSeed) }, signal)),
    });
  }

  async #free(id: string): Promise<void> {
    if (!this.#parts.traits.unloadsSamplers) return;
    const what = 'unload_sampler';
    // The server frees it at the session's end otherwise.
    await this.#parts.client
      .call('POST', `/api/v1/${what}`, { sampling_session_id: id }, { what })
      .catch(() => undefined);
  }
}

/** A sampling session, until it is retired and the last call on it has ended. */
class LiveSession {
  readonly #session: SamplingSession;
  readonly #label: string;
  readonly #free: () => Promise<void>;
  readonly #calls = new Set<Promise<unknown>>();
  #retired = false;

  constructor(session: SamplingSession, label: string, free: () => Promise<void>) {
    this.#session = session;
    this.#label = label;
    this.#free = free;
  }

  /** @throws {BackendError} `backend-closed` after {@link retire} */
  async use<Result>(call: (session: SamplingSession) => Promise<Result>): Promise<Result> {
    if (this.#retired) {
      throw new BackendError(
        `${this.#label} was replaced by newer versions and its weights are gone; sample from the newest snapshot.`,
        { code: 'backend-closed' },
      );
    }
    const running = call(this.#session);
    const ended = running.then(
      () => undefined,
      () => undefined,
    );
    this.#calls.add(ended);
    try {
      return await running;
    } finally {
      this.#calls.delete(ended);
    }
  }

  /** Lets no call begin any more; resolves when those in flight have ended. */
  async retire(): Promise<void> {
    this.#retired = true;
    await Promise.all(this.#calls);
    await this.#free();
  }
}

function seedOf({ seed }: TokenRequest, nextSeed: () => number): number {
  return seed ?? nextSeed();
}
