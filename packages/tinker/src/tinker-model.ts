/** Submits the operations of one model on the server, numbered in the order in which they take effect. */
import { randomUUID } from 'node:crypto';
import { BackendError, type LightningErrorCode } from '@agent-lightning/core';
import type { ServerTraits } from './server-kinds.ts';
import { malformed, type AwaitOutcome, type CallOptions, type Submission, type TinkerClient } from './tinker-client.ts';
import { decodePass } from './decode-result.ts';
import { encodePass } from './encode-pass.ts';
import type { JsonObject, PassInput } from './protocol.ts';

/** The weights that a model trains: adapters on its linear layers, or all weights. */
export interface LoraSpec {
  /** 0 trains all weights. */
  readonly rank: number;
  readonly alpha: number | undefined;
  readonly trainUnembed: boolean;
  readonly trainMlp: boolean;
  readonly trainAttention: boolean;
}

export interface ModelSpec {
  readonly baseModel: string;
  readonly lora: LoraSpec;
  readonly seed: number;
  /** The policy that the model is for, for errors. */
  readonly policy: string;
}

/** The result of an operation that the server has accepted. @throws {BackendError} what the server says went wrong */
export type AwaitResult = () => Promise<JsonObject>;

/** A model of a session. Calls of {@link begin} must not overlap: the caller keeps them in order. */
export class TinkerModel {
  readonly id: string;
  readonly policy: string;
  readonly #client: TinkerClient;
  readonly #traits: ServerTraits;
  /** The last number that the server has accepted. */
  #sequence = 0;
  #lost: BackendError | undefined;

  private constructor(client: TinkerClient, traits: ServerTraits, id: string, policy: string) {
    this.#client = client;
    this.#traits = traits;
    this.id = id;
    this.policy = policy;
  }

  static async create(client: TinkerClient, traits: ServerTraits, spec: ModelSpec): Promise<TinkerModel> {
    const what = `create_model for policy '${spec.policy}'`;
    const body = {
      session_id: await client.sessionId(),
      model_seq_id: client.nextModelSequenceId(),
      base_model: spec.baseModel,
      lora_config: loraConfig(traits, spec),
      type: 'create_model',
    };
    const { model_id: id } = await client.run('/api/v1/create_model', body, { what, invalid: 'option-unsupported' });
    if (typeof id !== 'string' || id === '') throw malformed(what, 'model_id');
    return new TinkerModel(client, traits, id, spec.policy);
  }

  /** Tells whether nothing was done with the model yet; every server loads a state into such a model. */
  get isFresh(): boolean {
    return this.#sequence === 0;
  }

  /** Tells whether it is not known any more what its weights are; a saved state goes into another model then. */
  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  /** Rejects every further operation, since something has damaged the weights. @param what a sentence's beginning */
  lose(what: string, cause: unknown): void {
    this.#lost ??= new BackendError(`${what}, so its weights may be damaged; load its last saved state.`, {
      code: 'session-lost',
      retryable: true,
      cause,
    });
  }

  /** Names an operation for errors. */
  describe(route: string): string {
    return `${route} of policy '${this.policy}'`;
  }

  /**
   * Submits an operation, which takes effect after those before it.
   * @param fields of the body, beside the model's id and the sequence id
   * @throws {BackendError} when the server rejected it: nothing happened, and the next operation takes its number; or when
   *   it is not known whether the server accepted it: then every further operation is rejected
   */
  async begin(route: string, fields: JsonObject, invalid: LightningErrorCode = 'backend-failed'): Promise<AwaitResult> {
    const submission = await this.#submit(route, fields, invalid);
    if (!submission.ok) throw submission.error;
    return this.#resultOf(route, submission.awaitOutcome);
  }

  /** Submits a pass as {@link begin} does, in the encoding that the server takes. */
  async beginPass(operation: 'forward' | 'forward_backward', input: PassInput): Promise<AwaitResult> {
    const forwardOnly = operation === 'forward';
    const options = { ...this.#callOptions(operation, 'samples-invalid'), decode: decodePass };
    const submission = await this.#numbered(operation, (sequence) =>
      this.#client.passEncodings.submit(options.what, (encoding, returns500) => {
        const tried = { ...options, returns500: returns500 && options.once !== true };
        if (encoding === 'protobuf') {
          const message = encodePass({ modelId: this.id, sequence, forwardOnly, input });
          return this.#client.submit('/api/v1/forward_backward', message, tried);
        }
        const body = { model_id: this.id, seq_id: sequence, [`${operation}_input`]: input };
        return this.#client.submit(`/api/v1/${operation}`, body, tried);
      }),
    );
    if (!submission.ok) throw submission.error;
    return this.#resultOf(operation, submission.awaitOutcome);
  }

  /** Submits an operation as {@link begin} does, and awaits its result. */
  async run(route: string, fields: JsonObject, invalid?: LightningErrorCode): Promise<JsonObject> {
    return await (
      await this.begin(route, fields, invalid)
    )();
  }

  /**
   * Saves under a new name and returns the result. A server that does not know a repeated save by its sequence id calls the name
   * taken when only its first answer was lost; then the save is tried with another name.
   * @param fieldsOf the fields of the body for a name
   */
  async save(route: string, fieldsOf: (name: string) => JsonObject): Promise<JsonObject> {
    for (let tries = 1; ; tries += 1) {
      const submission = await this.#submit(route, fieldsOf(this.#newName()), 'backend-failed');
      if (submission.ok) return await this.#resultOf(route, submission.awaitOutcome)();
      if (submission.status !== 409 || this.#traits.repeatsSaves || tries === 3) throw submission.error;
    }
  }

  #submit(route: string, fields: JsonObject, invalid: LightningErrorCode): Promise<Submission> {
    return this.#numbered(route, (sequence) => {
      const body = { model_id: this.id, seq_id: sequence, ...fields };
      return this.#client.submit(`/api/v1/${route}`, body, this.#callOptions(route, invalid));
    });
  }

  /** Sends an operation with the next number, which is free again where the server rejects it. */
  async #numbered(route: string, send: (sequence: number) => Promise<Submission>): Promise<Submission> {
    if (this.#lost !== undefined) throw this.#lost;
    const sequence = this.#sequence + 1;
    const submission = await this.#knowing(route, () => send(sequence));
    if (submission.ok) this.#sequence = sequence;
    return submission;
  }

  #resultOf(route: string, awaitOutcome: AwaitOutcome): AwaitResult {
    return async () => {
      const outcome = await this.#knowing(route, awaitOutcome);
      if (!outcome.ok) throw outcome.error;
      return outcome.body;
    };
  }

  #callOptions(route: string, invalid: LightningErrorCode): CallOptions {
    return {
      what: this.describe(route),
      invalid,
      missing: invalid === 'checkpoint-corrupt' ? invalid : 'session-lost',
      once: !this.#traits.dedupes && (route === 'forward_backward' || route === 'optim_step'),
    };
  }

  /** Returns a new name of letters, digits, `-` and `_`, which every server takes. */
  #newName(): string {
    return `${this.policy.replaceAll(/[^A-Za-z0-9_-]/g, '-').slice(0, 64)}-${randomUUID()}`;
  }

  /** Frees the model on the server; what was saved of it stays. */
  async unload(signal?: AbortSignal): Promise<void> {
    const body = { model_id: this.id, type: 'unload_model' };
    await this.#client.run('/api/v1/unload_model', body, { what: this.describe('unload_model'), signal });
  }

  /** Makes a call, and marks the model as lost when it throws: the state of the weights is not known then. */
  async #knowing<Result>(route: string, call: () => Promise<Result>): Promise<Result> {
    try {
      return await call();
    } catch (cause) {
      this.#lost ??= new BackendError(
        `What became of ${this.describe(route)} is not known (${(cause as Error).message}), so its weights are not either; load its last saved state.`,
        { code: 'session-lost', retryable: true, cause },
      );
      throw cause;
    }
  }
}

function loraConfig(traits: ServerTraits, { lora, seed }: ModelSpec): JsonObject {
  const values = {
    rank: lora.rank,
    alpha: lora.alpha,
    seed,
    train_unembed: lora.trainUnembed,
    train_mlp: lora.trainMlp,
    train_attn: lora.trainAttention,
  };
  const given = traits.loraFields.filter((field) => values[field] !== undefined);
  return Object.fromEntries(given.map((field) => [field, values[field]]));
}
