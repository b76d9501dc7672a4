/** Samples tokens from a sampling session, by `asample`. */
import { BackendError } from '@agent-lightning/core';
import type { TokenPiece, TokenRequest } from '@agent-lightning/text';
import { decodeSamples } from './decode-result.ts';
import type { ServerTraits } from './server-kinds.ts';
import { malformed, type TinkerClient } from './tinker-client.ts';
import { isObject, toModelInput, type JsonObject } from './protocol.ts';

/** The limit of seeds that every server takes: they are below this. */
const seedLimit = 2 ** 31;

/** A sampling session: one version of the weights, or the base model. */
export class SamplingSession {
  readonly id: string;
  readonly #client: TinkerClient;
  readonly #traits: ServerTraits;
  /** Numbers the requests; SkyRL routes by it. */
  #sequence = 0;

  constructor(client: TinkerClient, traits: ServerTraits, id: string) {
    this.#client = client;
    this.#traits = traits;
    this.id = id;
  }

  /** Samples every choice as one piece, since the protocol does not stream. @throws {BackendError} @throws {TimeoutError} */
  async sample(request: TokenRequest & { readonly seed: number }, signal: AbortSignal): Promise<readonly TokenPiece[]> {
    const { prompt, choices, temperature, maxTokens, stopTokens, seed } = request;
    const parameters = {
      max_tokens: maxTokens,
      seed: seed % seedLimit,
      ...(stopTokens.length === 0 ? {} : { stop: stopTokens }),
      temperature,
      top_k: -1,
      top_p: 1,
    };
    const body = await this.#ask(prompt, { num_samples: choices, sampling_params: parameters }, signal);
    const { sequences } = body;
    if (!Array.isArray(sequences) || sequences.length !== choices) throw malformed('asample', 'sequences');
    return sequences.map((sequence, choice) => toPiece(sequence, choice));
  }

  /**
   * Returns the log-probability of each token of a prompt after those before it, shape (T,); 0 for the first.
   * @param temperature one other than 1 for a worker only
   * @throws {BackendError} `option-unsupported` when the server does not report them
   */
  async promptLogprobs(prompt: Int32Array, temperature: number = 1): Promise<Float32Array> {
    const fields = {
      num_samples: 1,
      prompt_logprobs: true,
      ...(temperature === 1 ? {} : { prompt_logprobs_temperature: temperature }),
      sampling_params: { max_tokens: 1, seed: 0, temperature: 1, top_k: -1, top_p: 1 },
    };
    const { prompt_logprobs: values } = await this.#ask(prompt, fields, undefined);
    if (!Array.isArray(values)) {
      throw new BackendError(
        `${this.#traits.title} reports no log-probabilities of a prompt, which measuring the divergence from the base model needs; set klCoefficient to 0.`,
        { code: 'option-unsupported' },
      );
    }
    if (values.length !== prompt.length) throw malformed('asample', 'prompt_logprobs');
    return Float32Array.from(values as (number | null)[], (value, t) => (t === 0 ? 0 : (value ?? Number.NaN)));
  }

  async #ask(prompt: Int32Array, fields: JsonObject, signal: AbortSignal | undefined): Promise<JsonObject> {
    const body = {
      ...fields,
      prompt: toModelInput(prompt),
      sampling_session_id: this.id,
      seq_id: ++this.#sequence,
      type: 'sample',
    };
    return await this.#client.run('/api/v1/asample', body, {
      what: 'asample',
      invalid: 'samples-invalid',
      headers: this.#traits.samplingHeaders,
      decode: decodeSamples,
      signal,
    });
  }
}

function toPiece(sequence: unknown, choice: number): TokenPiece {
  const { tokens, logprobs, stop_reason: reason } = isObject(sequence) ? sequence : {};
  if (!isNumbers(tokens) || tokens.length === 0) throw malformed('asample', `sequences[${choice}].tokens`);
  if (!isNumbers(logprobs) || logprobs.length !== tokens.length)
    throw malformed('asample', `sequences[${choice}].logprobs`);
  if (reason !== 'stop' && reason !== 'length') throw malformed('asample', `sequences[${choice}].stop_reason`);
  return { choice, tokens: Int32Array.from(tokens), logprobs: Float32Array.from(logprobs), finish: reason };
}

function isNumbers(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((entry) => Number.isFinite(entry));
}
