/** Asks a vLLM server how likely a model of its finds given tokens, as a teacher is asked. */
import { check, TimeoutError } from '@agent-lightning/core';
import { outlastOutage } from '@agent-lightning/platform';
import { VllmAway, VllmClient, type ScoredPrompt } from './vllm-client.ts';

/** A model on a vLLM server that somebody else runs. */
export interface VllmScorerOptions {
  /** With or without `/v1` at its end, such as `http://127.0.0.1:8000/v1`. */
  readonly baseUrl: string;
  /** The server's name of the model. */
  readonly model: string;
  /** Sent as a bearer token; it is in no message. @default none is sent */
  readonly apiKey?: string;
}

/** Options of one call of a {@link VllmScorer}. */
interface ScoreOptions {
  /** Ends the call, also while it waits for a server that does not answer. */
  readonly signal?: AbortSignal;
  /** How long the call is tried again while the server does not answer; at 0 it is tried once. @default 300,000 */
  readonly awayTimeoutMs?: number;
}

/**
 * Scores the tokens of a text, shape (T,); the server takes one token more than that into its context.
 * @throws {BackendError} `unauthorized`, `backend-failed` for a server that refuses, does not answer for `awayTimeoutMs`, or does not answer as vLLM does
 * @throws {TimeoutError} `cancelled` where the signal ended it
 */
export type VllmScorer = (tokens: Int32Array, options?: ScoreOptions) => Promise<ScoredPrompt>;

/**
 * Returns a function that scores tokens by the server's `prompt_logprobs`, at temperature 1.
 * @throws {ConfigurationError} `option-invalid`
 */
export function createVllmScorer(options: VllmScorerOptions): VllmScorer {
  check.knownOptions('createVllmScorer', options, ['baseUrl', 'model', 'apiKey']);
  const { baseUrl, model, apiKey } = options;
  const url = baseUrl.replace(/\/+$/, '').replace(/\/v1$/, '');
  const client = new VllmClient({ url, apiKey, fetch: globalThis.fetch });
  return async (tokens, { signal = new AbortController().signal, awayTimeoutMs = 300_000 } = {}) => {
    try {
      return await outlastOutage(() => client.scorePrompt(model, tokens, signal), { signal, limitMs: awayTimeoutMs });
    } catch (cause) {
      if (!signal.aborted || !(cause instanceof VllmAway)) throw cause;
      throw new TimeoutError(`scoring tokens by ${model} at ${url} was cancelled`, { code: 'cancelled', cause });
    }
  };
}
