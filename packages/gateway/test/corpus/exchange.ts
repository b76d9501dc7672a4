import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { attributeNames as names, type Span } from '@agent-lightning/core';
import { MemoryStore } from '@agent-lightning/store';
import { Gateway, type GatewayStatistics } from '../../src/index.ts';
import type { DialectName } from '../../src/dialects/dialect.ts';

/** What went over one side of the gateway, as text. */
export interface RecordedReply {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

/** A captured span as the corpus keeps it: without times and ids of its own. */
export interface GoldenSpan {
  readonly name: string;
  readonly status: unknown;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly tokens: { readonly prompt: number[]; readonly response: number[]; readonly logprobs: number[] } | null;
}

/** One recorded exchange: both sides of the gateway, and what it captured. */
export interface Exchange {
  readonly dialect: DialectName;
  readonly name: string;
  readonly request: Readonly<Record<string, unknown>>;
  /** What the upstream was asked. */
  readonly asked: unknown;
  readonly upstream: RecordedReply;
  readonly agent: RecordedReply;
  readonly spans: readonly GoldenSpan[];
}

export const paths: Readonly<Record<DialectName, string>> = {
  chat: '/chat/completions',
  completions: '/completions',
  responses: '/responses',
  messages: '/messages',
};

/** Answers a request as an upstream does. */
export type Upstream = (request: IncomingMessage, body: string, response: ServerResponse) => void;

/** Ids that the gateway makes up, by their order. */
export function withoutRandomIds(text: string): string {
  const seen = new Map<string, string>();
  return text.replaceAll(/\b(msg|rs|fc)_[0-9a-f]{32}\b/gu, (id, prefix: string) => {
    const known = seen.get(id) ?? `${prefix}_${seen.size + 1}`;
    seen.set(id, known);
    return known;
  });
}

function goldenSpan(span: Span, _index: number, all: readonly Span[]): GoldenSpan {
  const { [names.timeToFirstTokenMs]: _time, [names.upstream]: _port, ...attributes } = span.attributes;
  const { tokens } = span;
  const prompt = span.attributes[names.promptSpan];
  // Span ids are random; the place of the span that has the prompt is not.
  const place = prompt === undefined ? {} : { [names.promptSpan]: all.findIndex(({ spanId }) => spanId === prompt) };
  return {
    name: span.name,
    status: JSON.parse(JSON.stringify(span.status).replaceAll(/127\.0\.0\.1:\d+/gu, 'upstream')),
    attributes: { ...attributes, ...place },
    tokens:
      tokens === undefined
        ? null
        : { prompt: [...tokens.prompt], response: [...tokens.response], logprobs: [...tokens.logprobs] },
  };
}

/** Runs requests, one attempt each, through one gateway in front of one upstream. */
export class Exchanger {
  readonly #store: MemoryStore;
  readonly #gateway: Gateway;
  readonly #close: () => Promise<void>;

  private constructor(gateway: Gateway, store: MemoryStore, close: () => Promise<void>) {
    this.#gateway = gateway;
    this.#store = store;
    this.#close = close;
  }

  static async start(upstream: Upstream, fastPath = true): Promise<Exchanger> {
    const server = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk;
      });
      request.on('end', () => upstream(request, body, response));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`;
    const store = new MemoryStore();
    const gateway = await Gateway.start({ store, maxRetries: 0, fastPath });
    gateway.publish('policy', { kind: 'openai', version: 5, baseUrl, model: 'agl-run-v5' });
    return new Exchanger(gateway, store, async () => {
      await gateway.close();
      await store.close();
      server.closeAllConnections();
      server.close();
    });
  }

  get fastPath(): GatewayStatistics['fastPath'] {
    return this.#gateway.statistics.fastPath;
  }

  close(): Promise<void> {
    return this.#close();
  }

  async run(
    dialect: DialectName,
    request: Readonly<Record<string, unknown>>,
  ): Promise<{ agent: RecordedReply; spans: readonly GoldenSpan[] }> {
    await this.#store.enqueue([{ input: null }]);
    const [claim] = await this.#store.claim({ workerId: 'corpus' });
    if (claim === undefined) throw new Error('nothing to claim');
    const { baseUrl, apiKey } = await this.#gateway.openAttempt(claim);
    const reply = await fetch(`${baseUrl}${paths[dialect]}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': apiKey },
      body: JSON.stringify(request),
    });
    const agent = {
      status: reply.status,
      type: (reply.headers.get('content-type') ?? '').split(';')[0] ?? '',
      text: withoutRandomIds((await reply.text()).replaceAll(/127\.0\.0\.1:\d+/gu, 'upstream')),
    };
    await this.#gateway.closeAttempt(claim);
    const spans = await this.#store.querySpans({ rolloutIds: [claim.rollout.rolloutId], includeTokens: true });
    return { agent, spans: spans.map(goldenSpan) };
  }
}
