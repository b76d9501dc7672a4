import { LightningError, type PolicySnapshot } from '@agent-lightning/core';
import type { CallLimits } from '../calls/call-limits.ts';
import { shownUrl } from '../http/shown-url.ts';
import { toReplyError } from '../http/reply-error.ts';
import type { EndpointPool } from '../policies/endpoint-pool.ts';
import { parseReply } from '../reply-reader/parse-reply.ts';
import { isObject } from '../request/request-fields.ts';
import { askUpstream } from '../upstream/ask-upstream.ts';
import { awaitServers } from '../upstream/await-servers.ts';
import { readWhole } from '../upstream/http-exchange.ts';

type UpstreamSnapshot = Extract<PolicySnapshot, { kind: 'openai' }>;

/**
 * A question that a model does not answer by 7, under a schema that allows nothing else. Among what the grammar leaves, 7 has
 * probability 1; without the grammar it is unlikely. So its log-probability tells which distribution a server reports.
 */
const question = {
  messages: [{ role: 'user', content: 'Say hello.' }],
  response_format: { type: 'json_schema', json_schema: { name: 'probe', schema: { enum: [7] }, strict: true } },
  temperature: 1,
  top_p: 1,
  top_k: -1,
  min_p: 0,
  repetition_penalty: 1,
  max_tokens: 8,
  logprobs: true,
};

/** The lowest log-probability of a token that has no alternative; some vocabularies can spell a digit in two ways. */
const certain = -0.5;

/** Finds out, once for each server, whether it reports the log-probabilities of the distribution that it samples from under a grammar. */
export class GrammarProbe {
  readonly #limits: CallLimits;
  readonly #pool: EndpointPool;
  readonly #problems = new Map<string, Promise<string | undefined>>();

  constructor(limits: CallLimits, pool: EndpointPool) {
    this.#limits = limits;
    this.#pool = pool;
  }

  /** Resolves with the problem of the first server of a snapshot that has one; undefined when calls under a grammar can be trained on. */
  async findProblem(snapshot: PolicySnapshot, signal: AbortSignal): Promise<string | undefined> {
    if (snapshot.kind === 'engine') return undefined; // engines in this process reject these fields
    const baseUrls = await awaitServers(snapshot, signal);
    const problems = await Promise.all(baseUrls.map((baseUrl) => this.#problemOf(snapshot, baseUrl)));
    return problems.find((problem) => problem !== undefined);
  }

  #problemOf(snapshot: UpstreamSnapshot, baseUrl: string): Promise<string | undefined> {
    const known = this.#problems.get(baseUrl);
    if (known !== undefined) return known;
    const asked = this.#ask(snapshot, baseUrl).catch((error: unknown) => {
      this.#problems.delete(baseUrl); // it may answer the next call
      return `could not be asked: ${toReplyError(error).message}`;
    });
    const problem = asked.then((found) =>
      found === undefined ? undefined : `the server ${shownUrl(new URL(baseUrl))} ${found}`,
    );
    this.#problems.set(baseUrl, problem);
    return problem;
  }

  /** @throws {ReplyError} when the server cannot be asked now */
  async #ask({ apiKey, model, version }: UpstreamSnapshot, baseUrl: string): Promise<string | undefined> {
    const signal = AbortSignal.timeout(this.#limits.callTimeoutMs);
    const { reply, url } = await askUpstream(
      {
        snapshot: { kind: 'openai', version, baseUrl, model, ...(apiKey === undefined ? {} : { apiKey }) },
        servers: { pool: this.#pool, affinity: '' },
        path: '/chat/completions',
        body: Buffer.from(JSON.stringify({ ...question, model })),
        accept: 'application/json',
        signal,
        onRetry: () => undefined,
      },
      { ...this.#limits, deadlineMs: performance.now() + this.#limits.callTimeoutMs },
    );
    const { maxReplyBytes: limitBytes, stallTimeoutMs } = this.#limits;
    const bytes = await readWhole(reply, { url, limitBytes, signal, stallTimeoutMs });
    const problem = checkAnswer(parseReply(bytes.toString(), url));
    return problem === undefined ? undefined : LightningError.hideKey(problem, apiKey);
  }
}

/** Returns what is wrong with the answer to the question; undefined when nothing is. */
export function checkAnswer(payload: Readonly<Record<string, unknown>>): string | undefined {
  const choices = payload['choices'];
  const choice: unknown = Array.isArray(choices) ? choices[0] : undefined;
  const message = isObject(choice) && isObject(choice['message']) ? choice['message'] : {};
  const logprobs = isObject(choice) && isObject(choice['logprobs']) ? choice['logprobs']['content'] : undefined;
  const first: unknown = Array.isArray(logprobs) ? logprobs[0] : undefined;
  const said = message['content'];
  if (typeof said !== 'string' || said.trim() !== '7')
    return `answered ${JSON.stringify(said ?? null).slice(0, 80)} where a grammar allows nothing but 7: it does not decode under response_format, or thinks first`;
  if (!isObject(first) || typeof first['logprob'] !== 'number')
    return 'reports no log-probabilities of what it samples under a grammar';
  return first['logprob'] >= certain
    ? undefined
    : `reports a log-probability of ${first['logprob']} for a token to which the grammar left no alternative: not that of the distribution that it samples from`;
}
