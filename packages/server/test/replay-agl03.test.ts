import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MemoryStore } from '@agent-lightning/store';
import { startServer } from '../src/index.ts';

/** One request that a client of Agent Lightning 0.3.0 sent, and what its own server answered. */
interface Recorded {
  readonly method: string;
  readonly path: string;
  readonly request: unknown;
  readonly contentType?: string;
  readonly status: number;
  readonly response?: unknown;
}

function readRecording(name: string): readonly Recorded[] {
  return JSON.parse(readFileSync(new URL(`__fixtures__/agl03/${name}.json`, import.meta.url), 'utf8')) as Recorded[];
}

/** Plays recorded exchanges against our server: ids that their server made are replaced by those that ours made at the same place. */
class Replay {
  readonly #url: string;
  readonly #ids: Map<string, string> = new Map();

  constructor(url: string) {
    this.#url = url;
  }

  async send({ method, path, request, contentType }: Recorded): Promise<{ status: number; body: unknown }> {
    const isProtobuf = typeof request === 'object' && request !== null && 'protobuf' in request;
    const body = isProtobuf
      ? this.#replaceBytes(Buffer.from((request as { protobuf: string }).protobuf, 'base64'))
      : typeof request === 'string'
        ? request
        : request === null
          ? undefined
          : this.#replace(JSON.stringify(request));
    const response = await fetch(this.#url + this.#replace(path), {
      method,
      ...(body === undefined ? {} : { body: body as never }),
      headers: contentType === undefined ? {} : { 'content-type': contentType },
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') ?? false;
    return { status: response.status, body: isJson && text !== '' ? JSON.parse(text) : text };
  }

  /** Notes which of our ids stands where theirs stood. */
  learn(theirs: unknown, ours: unknown): void {
    if (typeof theirs === 'string' && typeof ours === 'string') {
      if (/^(?:ro|at|rs)-[0-9a-f]+$/u.test(theirs) && /^(?:ro|at|rs)-/u.test(ours)) this.#ids.set(theirs, ours);
    } else if (typeof theirs === 'object' && theirs !== null && typeof ours === 'object' && ours !== null)
      for (const [name, value] of Object.entries(theirs)) this.learn(value, (ours as Record<string, unknown>)[name]);
  }

  normalise(value: unknown): unknown {
    return toShape(JSON.parse(this.#replace(JSON.stringify(value ?? null))));
  }

  #replace(text: string): string {
    return text.replaceAll(/(?:ro|at|rs)-[0-9a-f]{8,12}(?![0-9a-f])/gu, (id) => this.#ids.get(id) ?? id);
  }

  /** Replaces ids in protobuf by ids of another length: fields of attributes are written anew. */
  #replaceBytes(bytes: Buffer): Buffer {
    return bytes.includes('agentlightning.rollout_id') ? rewriteStrings(bytes, (text) => this.#replace(text)) : bytes;
  }
}

/** Rewrites every text of a protobuf message that holds an id, and the lengths around it. */
function rewriteStrings(bytes: Buffer, replace: (text: string) => string): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const [tag, afterTag] = readVarint(bytes, at);
    const type = Number(tag & 7n);
    if (type !== 2) {
      const size = type === 1 ? 8 : type === 5 ? 4 : readVarint(bytes, afterTag)[1] - afterTag;
      parts.push(bytes.subarray(at, afterTag + size));
      at = afterTag + size;
      continue;
    }
    const [length, start] = readVarint(bytes, afterTag);
    const inner = bytes.subarray(start, start + Number(length));
    const text = inner.toString('latin1');
    const isId = /^(?:ro|at)-[0-9a-f]+$/u.test(text);
    const after = isId
      ? Buffer.from(replace(text))
      : /(?:ro|at)-[0-9a-f]{8}/u.test(text) && !/^[\x20-\x7e]*$/u.test(text)
        ? rewriteStrings(inner, replace)
        : inner;
    parts.push(writeVarint(tag), writeVarint(BigInt(after.length)), after);
    at = start + Number(length);
  }
  return Buffer.concat(parts);
}

function readVarint(bytes: Buffer, at: number): [bigint, number] {
  let value = 0n;
  for (let shift = 0n; ; shift += 7n) {
    const byte = bytes[at++] as number;
    value |= BigInt(byte & 127) << shift;
    if (byte < 128) return [value, at];
  }
}

function writeVarint(value: bigint): Buffer {
  const bytes: number[] = [];
  for (; value >= 128n; value >>= 7n) bytes.push(Number(value & 127n) | 128);
  return Buffer.from([...bytes, Number(value)]);
}

/** The members whose values differ from run to run: only whether there is one is compared. */
const varying = /(?:_time|timestamp|uptime)$/u;
/** What their store in memory says of itself. */
const theirs: ReadonlySet<string> = new Set([
  'eviction_threshold_bytes',
  'safe_threshold_bytes',
  'memory_capacity_bytes',
  'total_span_bytes',
]);

function toShape(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toShape);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, item]) =>
      theirs.has(name) || item === 'InMemoryLightningStore' || item === 'MemoryStore'
        ? []
        : [[name, varying.test(name) && typeof item === 'number' ? 'a time' : toShape(item)]],
    ),
  );
}

const same = (body: unknown): unknown => body;

/** A retry keeps its place in our queue, and goes to the end of theirs. */
function sortByInput(body: unknown): unknown {
  const inputOf = (rollout: unknown): string => JSON.stringify((rollout as { input: unknown }).input);
  return (body as readonly unknown[]).toSorted((a, b) => (inputOf(a) < inputOf(b) ? -1 : 1));
}

/** Enqueues what the runner of a recording was given: it was enqueued before the recording began. */
async function prepare(url: string, exchanges: readonly Recorded[]): Promise<void> {
  const post = (path: string, body: unknown): Promise<Response> =>
    fetch(url + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  await post('/v1/agl/queues/rollouts/dequeue', { limit: 1, worker_id: 'Worker-0' });
  for (const { path, response } of new Map(exchanges.map((exchange) => [exchange.path, exchange])).values())
    if (/\/resources\/rs-/u.test(path)) await post(path, (response as { resources: unknown }).resources);
  for (const { path, response } of exchanges)
    if (path.endsWith('/dequeue')) await post('/v1/agl/queues/rollouts/enqueue', { rollouts: response });
}

async function replay(name: string, differences: Readonly<Record<number, { status: number }>> = {}): Promise<void> {
  await withPlayer(async (player, url) => {
    if (name === 'trainer-runner-role') await prepare(url, readRecording(name));
    for (const [index, recorded] of readRecording(name).entries()) {
      const at = `${name} ${index}: ${recorded.method} ${recorded.path}`;
      const { status, body } = await player.send(recorded);
      const expected = differences[index]?.status ?? recorded.status;
      expect({ at, status, ...(status === expected ? {} : { body }) }).toEqual({ at, status: expected });
      if (differences[index] !== undefined || recorded.response === undefined || recorded.path === '/v1/traces')
        continue;
      const [expectedBody, ourBody] = [recorded.response, body].map(
        recorded.path.endsWith('/dequeue') ? sortByInput : same,
      );
      player.learn(expectedBody, ourBody);
      expect({ at, body: player.normalise(ourBody) }).toEqual({ at, body: player.normalise(expectedBody) });
    }
  });
}

async function withPlayer(work: (player: Replay, url: string) => Promise<void>): Promise<void> {
  const store = new MemoryStore();
  const server = await startServer({ store, port: 0, open: true });
  try {
    await work(new Replay(server.url), server.url);
  } finally {
    await server.close();
    await store.close();
  }
}

describe('exchanges of Agent Lightning 0.3.0, recorded with its own server', () => {
  it('are answered alike: every method of its client, but that a missing rollout is a 404 and no 500', async () => {
    await replay('client-api', { 38: { status: 404 }, 39: { status: 404 }, 40: { status: 404 }, 41: { status: 404 } });
  });

  it.each(['runner-otel', 'runner-agentops', 'llm-proxy', 'trainer-runner-role'])(
    'are answered alike: %s',
    async (name) => {
      await replay(name);
    },
  );

  it('are answered alike: errors, with the same status, place and message', async () => {
    const different = new Set<string>();
    await withPlayer(async (player) => {
      for (const recorded of readRecording('client-api')) {
        const { body } = await player.send(recorded);
        player.learn(recorded.response, body);
      }
      for (const recorded of readRecording('errors').filter(({ path }) => path.startsWith('/v1/'))) {
        const { status, body } = await player.send(recorded);
        const [theirs, ours] = [recorded.response, body].map(describeError);
        if (status !== recorded.status || JSON.stringify(theirs) !== JSON.stringify(ours))
          different.add(
            `${recorded.method} ${recorded.path} ${JSON.stringify(recorded.request)}: ${recorded.status} ${JSON.stringify(theirs)}, ours ${status} ${JSON.stringify(ours)}`,
          );
      }
    });
    // What we answer otherwise: a missing rollout is a 404, and OTLP comes as JSON too.
    expect([...different]).toEqual([
      'POST /v1/agl/queues/rollouts/enqueue "{not json": 422 [["json_invalid",["body",1],"JSON decode error"]], ours 422 [["json_invalid",["body",0],"JSON decode error"]]',
      'GET /v1/agl/rollouts/ro-missing null: 500 "Internal server error", ours 404 "Rollout ro-missing not found"',
      'POST /v1/traces {}: 400 null, ours 200 null',
      'GET /v1/prometheus null: 404 "Not Found", ours 404 null',
    ]);
  });
});

/** Returns what a client can act on of an error: what is said, and of each field its place and what is wrong. */
function describeError(body: unknown): unknown {
  const { detail } = (body ?? {}) as { readonly detail?: unknown };
  if (!Array.isArray(detail)) return detail ?? null;
  return (detail as readonly { type: string; loc: unknown; msg: string }[]).map(({ type, loc, msg }) => [
    type,
    loc,
    msg,
  ]);
}
