import { randomUUID } from 'node:crypto';
import {
  BackendError,
  type AdamParameters,
  type BackendCapabilities,
  type Loss,
  type PolicySnapshot,
  type TrainablePolicy,
  type TrainingBackend,
  type TrainingSample,
} from '@agent-lightning/core';
import { LetterBackend } from '../../bench/learning/ailments/letter-model.ts';
import { pack, unpack, type LearnerCall } from './wire.ts';

/** Trains the letter model in a worker's process, which may be killed at any moment. */
export class RemoteLetters implements TrainingBackend {
  readonly name = 'remote letters';
  readonly #url: string;

  /** @param url the worker's address, which ends in `/v1` */
  constructor(url: string) {
    this.#url = url;
  }

  async capabilities(): Promise<BackendCapabilities> {
    return { ...(await new LetterBackend().capabilities()), snapshot: 'openai' };
  }

  async createPolicy({ name }: Parameters<TrainingBackend['createPolicy']>[0]): Promise<TrainablePolicy> {
    const policy = new RemotePolicy(name, this.#url);
    await policy.create();
    return policy;
  }

  async baseSnapshot(): Promise<undefined> {
    return undefined;
  }

  async close(): Promise<void> {}
}

class RemotePolicy implements TrainablePolicy {
  readonly name: string;
  readonly #url: string;
  readonly #session: string = randomUUID();

  constructor(name: string, url: string) {
    this.name = name;
    this.#url = url;
  }

  async create(): Promise<void> {
    await this.#ask('create');
  }

  async forward(samples: readonly TrainingSample[]): Promise<readonly Float32Array[]> {
    return (await this.#ask('forward', samples)) as readonly Float32Array[];
  }

  async forwardBase(): Promise<readonly Float32Array[]> {
    throw new BackendError('the worker scores no base model', { code: 'loss-unsupported' });
  }

  async forwardBackward(
    samples: readonly TrainingSample[],
    loss: Loss,
  ): ReturnType<TrainablePolicy['forwardBackward']> {
    return (await this.#ask('forwardBackward', samples, loss)) as Awaited<
      ReturnType<TrainablePolicy['forwardBackward']>
    >;
  }

  async optimStep(adam: AdamParameters): ReturnType<TrainablePolicy['optimStep']> {
    return (await this.#ask('optimStep', adam)) as Awaited<ReturnType<TrainablePolicy['optimStep']>>;
  }

  async publish(version: number): Promise<PolicySnapshot> {
    await this.#ask('publish', version);
    return { kind: 'openai', version, baseUrl: this.#url, model: `letters-v${version}` };
  }

  async saveState(directory: string): Promise<void> {
    await this.#ask('saveState', directory);
  }

  async loadState(directory: string): Promise<void> {
    await this.#ask('loadState', directory);
  }

  async exportModel(directory: string): Promise<void> {
    await this.saveState(directory);
  }

  async #ask(method: LearnerCall['method'], ...given: readonly unknown[]): Promise<unknown> {
    const call: LearnerCall = { session: this.#session, method, given };
    try {
      const reply = await fetch(new URL('/learner', this.#url), { method: 'POST', body: JSON.stringify(pack(call)) });
      if (reply.ok) return unpack(await reply.json());
      throw new BackendError(`the worker refused ${method}: ${await reply.text()}`, { code: 'session-lost' });
    } catch (cause) {
      if (cause instanceof BackendError) throw cause;
      throw new BackendError(`the worker did not answer ${method}`, { code: 'backend-failed', cause });
    }
  }
}
