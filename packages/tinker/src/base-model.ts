/** Samples from the frozen base model on the server, and measures how likely it finds a training sample. */
import { BackendError, type TrainingSample } from '@agent-lightning/core';
import type { ServerTraits } from './server-kinds.ts';
import { malformed, type TinkerClient } from './tinker-client.ts';
import { SamplingSession } from './token-sampling.ts';

/** Training samples that are measured at once; each is a request of its own. */
const samplesAtOnce = 32;

export class BaseModel {
  readonly #client: TinkerClient;
  readonly #traits: ServerTraits;
  readonly #name: string;
  readonly #contextLength: number | undefined;
  #session: Promise<SamplingSession> | undefined;

  /** @param contextLength the most tokens that the server takes, where that is known */
  constructor(client: TinkerClient, traits: ServerTraits, name: string, contextLength: number | undefined) {
    this.#client = client;
    this.#traits = traits;
    this.#name = name;
    this.#contextLength = contextLength;
  }

  /** Opens the base model's sampling session with the first call. @throws {BackendError} `option-unsupported` where the server has no base model beside the policies */
  session(): Promise<SamplingSession> {
    if (!this.#traits.servesBase) {
      throw new BackendError(
        `${this.#traits.title} does not keep the base model beside what it trains, so nothing can be measured against it; set klCoefficient to 0.`,
        { code: 'option-unsupported' },
      );
    }
    this.#session ??= this.#open();
    return this.#session;
  }

  /** Computes the log-probabilities of each sample under the base model: shape (T,), 0 where `lossMask` is 0. */
  async logprobs(samples: readonly TrainingSample[]): Promise<readonly Float32Array[]> {
    const session = await this.session();
    const longest = samples.reduce((most, sample) => Math.max(most, sample.tokens.length), 0);
    if (this.#contextLength !== undefined && longest >= this.#contextLength) {
      throw new BackendError(
        `A training sample of ${longest} tokens cannot be measured under the base model: the server samples one token after it, and takes ${this.#contextLength} in all. Give a contextLength below ${this.#contextLength}.`,
        { code: 'context-exceeded' },
      );
    }
    const results: Float32Array[] = [];
    let next = 0;
    const work = async (): Promise<void> => {
      while (next < samples.length) {
        const index = next++;
        const sample = samples[index]!;
        results[index] = trainedOnly(sample, await session.promptLogprobs(sample.tokens, sample.temperature));
      }
    };
    await Promise.all(Array.from({ length: Math.min(samplesAtOnce, samples.length) }, work));
    return results;
  }

  async #open(): Promise<SamplingSession> {
    const what = 'create_sampling_session';
    const body = {
      session_id: await this.#client.sessionId(),
      sampling_session_seq_id: this.#client.nextSamplerSequenceId(),
      base_model: this.#name,
      type: what,
    };
    const { sampling_session_id: id } = await this.#client.call('POST', `/api/v1/${what}`, body, { what });
    if (typeof id !== 'string' || id === '') throw malformed(what, 'sampling_session_id');
    return new SamplingSession(this.#client, this.#traits, id);
  }
}

function trainedOnly(sample: TrainingSample, logprobs: Float32Array): Float32Array {
  const values = logprobs.map((value, t) => (sample.lossMask[t] === 0 ? 0 : value));
  if (values.every(Number.isFinite)) return values;
  throw new BackendError('The base model gave a log-probability that is not finite.', { code: 'numerics' });
}
