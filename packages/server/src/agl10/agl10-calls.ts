import { IncomingMessage } from 'node:http';
import type { Claim } from '@agent-lightning/core';
import type { Exchange } from '../http/exchange.ts';
import { RequestError } from '../http/request-error.ts';
import type { TrainedGateway } from '../gateway-routes.ts';
import type { Agl10Rollouts } from './agl10-rollouts.ts';
import { OpenAttempts } from './open-attempts.ts';
import type { ServedModels } from './served-models.ts';

/** A model call as the URL of an agent of Agent Lightning 1.0 names it. */
export interface Agl10Call {
  readonly rolloutId: string;
  readonly mode: string;
  /** The path after `/openai/v1/`. */
  readonly path: string;
}

const modes: readonly string[] = ['train', 'val'];
const paths: readonly string[] = ['chat/completions', 'completions'];

/** Hands the model calls of agents of Agent Lightning 1.0 to the gateway, under the key of their rollout's attempt. */
export class Agl10Calls {
  readonly #gateway: TrainedGateway;
  readonly #models: ServedModels;
  readonly #attempts: OpenAttempts;
  #inFlight = 0;

  constructor(gateway: TrainedGateway, models: ServedModels) {
    this.#gateway = gateway;
    this.#models = models;
    this.#attempts = new OpenAttempts(gateway);
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Answers one call. @throws {RequestError} worded as 1.0 does */
  async answer(exchange: Exchange, { rolloutId, mode, path }: Agl10Call, rollouts: Agl10Rollouts): Promise<void> {
    if (!modes.includes(mode)) throw notFound(`Unsupported proxy mode: ${mode.slice(0, 80)}`);
    if (!paths.includes(path)) throw notFound(`Unsupported upstream path: ${path.slice(0, 80)}`);
    const rollout = await rollouts.read(rolloutId);
    const body = await readObject(exchange);
    if (body['stream'] === true) throw badRequest('Streaming responses are not supported');
    const { paused, reason, retry_after_seconds: retryAfter } = this.#models.state;
    if (paused)
      return exchange.json({ error: 'gateway paused', reason }, 429, {
        'retry-after': String(retryAfter),
        'x-agl-paused': 'true',
      });
    await this.#models.served(AbortSignal.any([exchange.signal, exchange.draining]));
    const asked = {
      ...body,
      model: this.#gateway.policy,
      return_token_ids: true,
      ...(rollout.mode === 'train' && path === 'chat/completions' ? { logprobs: true } : {}),
    };
    const claim = await rollouts.claim(rolloutId);
    const { apiKey, path: base, leave } = await this.#attempts.join(claim, exchange.response);
    try {
      await this.#forward(exchange, `${base}/${path}`, apiKey, Buffer.from(JSON.stringify(asked)));
    } finally {
      leave();
    }
  }

  /** Stores the calls of an attempt whose replies are out; a rollout with further ones in flight is left as it is. */
  flush(rolloutId: string): Promise<void> {
    return this.#attempts.flush(rolloutId);
  }

  /** Ends the calls of an attempt, and stores them all. */
  end(claim: Claim): Promise<void> {
    return this.#attempts.end(claim);
  }

  async #forward({ request, response }: Exchange, url: string, apiKey: string, body: Buffer): Promise<void> {
    const inner = new IncomingMessage(request.socket);
    inner.method = 'POST';
    inner.url = url;
    inner.headers = {
      'content-type': 'application/json',
      'content-length': String(body.length),
      authorization: `Bearer ${apiKey}`,
    };
    inner.push(body);
    inner.push(null);
    inner.complete = true;
    this.#inFlight += 1;
    try {
      await this.#gateway.answer(inner, response, false);
    } finally {
      this.#inFlight -= 1;
    }
  }
}

async function readObject(exchange: Exchange): Promise<Readonly<Record<string, unknown>>> {
  const text = (await exchange.readBytes()).toString('utf8');
  let body: unknown;
  try {
    body = text === '' ? {} : JSON.parse(text);
  } catch {
    throw badRequest('Invalid JSON in request body');
  }
  if (typeof body === 'object' && body !== null && !Array.isArray(body))
    return body as Readonly<Record<string, unknown>>;
  throw badRequest('Request body must be a JSON object');
}

function notFound(message: string): RequestError {
  return new RequestError(message, { code: 'not-found' });
}

function badRequest(message: string): RequestError {
  return new RequestError(message, { code: 'request-invalid' });
}
