/** Asks a vLLM server how likely a model of its finds given tokens, as a teacher is asked. */
import { check } from '@agent-lightning/core';
import { outlastOutage } from '@agent-lightning/platform';
import { VllmClient, type ScoredPrompt } from './vllm-client.ts';

/** A model on a vLLM server that somebody else runs. */
export interface VllmScorerOptions {
  /** With or without `/v1` at its end, such as `http://127.0.0.1:8000/v1`. */
  readonly baseUrl: string;
  /** The server's name of the model. */
  readonly model: string;
  /** Sent as a bearer token; it is in no message. @default none is sent */
  readonly apiKey?: string;
  /** How long calls are tried again while the server does not answer. @default 300,000 */
  readonly awayTimeoutMs?: number;
  /** Sends the requests. @default globalThis.fetch */
  readonly fetch?: typeof globalThis.fetch;
}

/** Scores the tokens of a text, shape (T,); the server takes one token more than that into its context. */
export type VllmScorer = (tokens: Int32Array) => Promise<ScoredPrompt>;

/**
 * Returns a function that scores tokens by the server's `prompt_logprobs`, at temperature 1.
 * @throws {ConfigurationError} `option-invalid`
 * @throws {BackendError} from that function: `unauthorized`, `backend-failed` for a server that refuses, does not answer for `awayTimeoutMs`, or does
 * not answer as vLLM does
 */
export function createVllmScorer(options: VllmScorerOptions): VllmScorer {
  check.knownOptions('createVllmScorer', options, ['baseUrl', 'model', 'apiKey', 'awayTimeoutMs', 'fetch']);
  const { baseUrl, model, apiKey, awayTimeoutMs = 300_000, fetch = globalThis.fetch } = options;
  const client = new VllmClient({ url: baseUrl.replace(/\/+$/, '').replace(/\/v1$/, ''), apiKey, fetch });
  const { signal } = new AbortController();
  return (tokens) => outlastOutage(() => client.scorePrompt(model, tokens), { signal, limitMs: awayTimeoutMs });
}
