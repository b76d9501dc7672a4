import { RequestError } from '../http/request-error.ts';
import { FieldReader } from '../agl03/read-fields.ts';
import type { TrainedGateway } from '../gateway-routes.ts';
import { readList } from './read-agl10.ts';
import type { JsonObject } from './agl10-shapes.ts';

/** A model server that a trainer registered. */
interface Model {
  readonly model: string;
  readonly endpoint: string;
  readonly version: number;
}

/** Says whether calls are let in, as 1.0 says it. */
export interface PauseState {
  readonly paused: boolean;
  readonly retry_after_seconds: number;
  readonly reason: string | null;
}

/** Keeps the model servers that a trainer of Agent Lightning 1.0 registers, publishes them to the gateway, and pauses it. */
export class ServedModels {
  readonly #gateway: TrainedGateway;
  readonly #waitMs: number;
  readonly #endpoints: Map<string, Map<string, Model>> = new Map();
  readonly #waiting: Set<() => void> = new Set();
  #serving: string | undefined;
  #lastModel: string | undefined;
  #version = 0;
  #state: PauseState = { paused: false, retry_after_seconds: 5, reason: null };

  /** @param waitMs the longest time that a call waits for a model: a trainer takes its servers away and gives new ones between two steps */
  constructor(gateway: TrainedGateway, waitMs: number) {
    this.#gateway = gateway;
    this.#waitMs = waitMs;
  }

  get state(): PauseState {
    return this.#state;
  }

  /** Registers servers and sends calls to them. The trainer says version 0 of every model: each registration after a removal is a new version here. */
  register(body: unknown): readonly Model[] {
    const models = readList(body).map((item, index): Model => {
      const reader = new FieldReader(item, ['body', index]).require('model', 'endpoint');
      const [model, endpoint] = [reader.text('model') ?? '', reader.text('endpoint') ?? ''];
      if (reader.has('endpoint') && !/^https?:\/\//u.test(endpoint))
        reader.complain('url_parsing', 'Input should be an http or https address', endpoint, 'endpoint');
      const version = reader.integer('version') ?? 0;
      reader.finish();
      return { model, endpoint, version };
    });
    for (const model of models) {
      const known = this.#endpoints.get(model.model) ?? new Map<string, Model>();
      this.#endpoints.set(model.model, known.set(model.endpoint, model));
    }
    const model = models.at(-1)?.model;
    if (model !== undefined) this.#publish(model);
    return models;
  }

  /** Takes all servers away: new calls wait for the next ones. */
  clear(): void {
    this.#endpoints.clear();
    this.#serving = undefined;
  }

  pause(retryAfterSeconds: number, reason: string | null): void {
    this.#state = { paused: true, retry_after_seconds: retryAfterSeconds, reason };
    void this.#gateway.pause({ drainMs: 0, retryAfterSeconds });
  }

  resume(): void {
    this.#state = { ...this.#state, paused: false, reason: null };
    this.#gateway.resume();
  }

  /** Resolves when a model is served. @throws {RequestError} 503 when none is in time */
  async served(signal: AbortSignal): Promise<void> {
    if (this.#serving !== undefined) return;
    await new Promise<void>((resolve) => {
      const settle = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(settle);
        signal.removeEventListener('abort', settle);
        resolve();
      };
      const timer = setTimeout(settle, this.#waitMs);
      signal.addEventListener('abort', settle);
      this.#waiting.add(settle);
    });
    signal.throwIfAborted();
    if (this.#serving === undefined)
      throw new RequestError(`No servers available for model '${this.#lastModel ?? this.#gateway.policy}'`, {
        code: 'not-found',
        status: 503,
      });
  }

  #publish(model: string): void {
    const [baseUrl = '', ...replicas] = [...(this.#endpoints.get(model)?.keys() ?? [])].toSorted();
    if (this.#serving === undefined) this.#version += 1;
    this.#gateway.publish(this.#gateway.policy, {
      kind: 'openai',
      version: this.#version,
      baseUrl,
      model,
      ...(replicas.length === 0 ? {} : { replicas }),
    });
    this.#serving = model;
    this.#lastModel = model;
    this.#waiting.forEach((wake) => wake());
  }
}

export type StateView = PauseState & { readonly inflight: number };

/** Returns the pause state with the number of calls in flight. */
export function stateView(state: PauseState, inflight: number): StateView & JsonObject {
  return { ...state, inflight };
}
