import { Agent, request as httpRequest } from 'node:http';
import { startModelServer } from '@agent-lightning/testing';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import type { DialectName } from '../src/dialects/dialect.ts';
import { paths } from './corpus/exchange.ts';
import { scenarios } from './corpus/scenarios.ts';
import { FakeEngine } from './fake-engine.ts';
import { onStop, startHarness, stopAll } from './harness.ts';

afterEach(stopAll);

const inFlight = 16;
const seed = 20_261_126;

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** One change of a good request: a value somewhere in it is removed, replaced or doubled, or its text is damaged. */
interface Mutation {
  readonly kind: 'remove' | 'replace' | 'add' | 'cut' | 'garble';
  /** Which of the places where it could be made. */
  readonly at: number;
  readonly name: string;
  readonly value: Json;
}

const nasty: fc.Arbitrary<Json> = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json>,
  fc.constantFrom<Json>(
    null,
    true,
    -1,
    0,
    1e308,
    2 ** 53,
    0.5,
    '',
    '__proto__',
    '\u0000',
    '🙂',
    'x'.repeat(5_000),
    [],
    {},
    [[]],
    [null],
    [{}],
  ),
  fc.constantFrom<Json>(
    'text',
    'image_url',
    'tool_use',
    'tool_result',
    'function_call',
    'item_reference',
    'json_schema',
    'assistant',
    'tool',
    'thinking',
    'input_image',
  ),
);
const names = fc.constantFrom(
  'model',
  'n',
  'stream',
  'stream_options',
  'stop',
  'tools',
  'tool_choice',
  'role',
  'content',
  'type',
  'logprobs',
  'seed',
  'temperature',
  'max_tokens',
  'response_format',
  'reasoning',
  'thinking',
  'include',
  'text',
  'id',
  'return_token_ids',
  '__proto__',
  'constructor',
  'toString',
);
const mutation: fc.Arbitrary<Mutation> = fc.record({
  kind: fc.constantFrom('remove', 'replace', 'replace', 'replace', 'add', 'add', 'cut', 'garble'),
  at: fc.nat(10_000),
  name: names,
  value: nasty,
});
const case_ = fc.record({
  base: fc.nat(10_000),
  policy: fc.constantFrom('engine', 'server'),
  mutations: fc.array(mutation, { maxLength: 3 }),
});

/** Every list and object in a value. */
function containersOf(value: Json, found: (Json[] | { [key: string]: Json })[] = []): typeof found {
  if (typeof value !== 'object' || value === null) return found;
  found.push(value);
  for (const item of Object.values(value)) containersOf(item, found);
  return found;
}

function mutate(body: Json, { kind, at, name, value }: Mutation): void {
  const containers = containersOf(body);
  const container = containers[at % containers.length];
  if (container === undefined) return;
  const keys = Object.keys(container);
  const key = keys[at % keys.length] ?? '';
  const set = (field: string): void => {
    Object.defineProperty(container, field, {
      value: structuredClone(value),
      enumerable: true,
      configurable: true,
      writable: true,
    });
  };
  if (kind === 'add' && Array.isArray(container)) container.push(structuredClone(value));
  else if (kind === 'add') set(name);
  else if (keys.length === 0) return;
  else if (kind === 'replace') set(key);
  else if (Array.isArray(container)) container.splice(Number(key), 1);
  else delete container[key];
}

/** The bytes of a case: a recorded request of this dialect, changed. */
function bytesOf(
  dialect: DialectName,
  { base, policy, mutations }: { base: number; policy: string; mutations: Mutation[] },
): Buffer {
  const known = scenarios.filter((scenario) => scenario.dialect === dialect);
  const body = structuredClone(known[base % known.length]?.request) as { [key: string]: Json };
  body['model'] = policy;
  const isText = ({ kind }: Mutation): boolean => kind === 'cut' || kind === 'garble';
  for (const change of mutations) if (!isText(change)) mutate(body, change);
  let bytes = Buffer.from(JSON.stringify(body));
  for (const { kind, at } of mutations.filter(isText)) {
    if (kind === 'cut') bytes = bytes.subarray(0, at % (bytes.length + 1));
    else if (bytes.length > 0) bytes[at % bytes.length] = at % 256;
  }
  return bytes;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

function post(agent: Agent, url: string, apiKey: string, body: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': body.length, 'x-api-key': apiKey };
    const outgoing = httpRequest(url, { method: 'POST', agent, headers }, (reply) => {
      let text = '';
      reply.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
      reply.on('error', reject).on('end', () => resolve({ status: reply.statusCode ?? 0, text }));
    });
    outgoing.on('error', reject).end(body);
  });
}

/** Sends so many bodies with the fast path, and as many without it. */
export function describeFuzzedBodies(bodies: number): void {
  describe(`${bodies} fuzzed bodies over HTTP`, () => {
    it.each([true, false])(
      'crash nothing and get no 5xx, in every dialect, in front of an engine and of a server, with fastPath %s',
      { timeout: 300_000 },
      async (fastPath) => {
        const server = await startModelServer({ respond: () => ({ content: 'a b', toolCalls: [] }) });
        onStop(() => server.close());
        const { gateway, endpoint } = await startHarness({ maxRetries: 0, writeDelayMs: 0, fastPath });
        gateway.publish('engine', { kind: 'engine', version: 1, engine: new FakeEngine() });
        gateway.publish('server', { kind: 'openai', version: 1, baseUrl: server.baseUrl, model: 'm' });
        const agent = new Agent({ keepAlive: true, maxSockets: inFlight });
        onStop(() => Promise.resolve(agent.destroy()));
        const dialects = Object.keys(paths) as DialectName[];
        const seen = Object.fromEntries(dialects.map((dialect) => [dialect, { good: 0, refused: 0 }])) as Record<
          DialectName,
          { good: number; refused: number }
        >;
        const cases = fc.sample(case_, { numRuns: bodies, seed }).entries();
        const work = async (): Promise<void> => {
          for (const [index, fuzzed] of cases) {
            const dialect = dialects[index % dialects.length] as DialectName;
            const body = bytesOf(dialect, fuzzed);
            const { status, text } = await post(agent, `${endpoint.baseUrl}${paths[dialect]}`, endpoint.apiKey, body);
            const shown = `${dialect} ${index}: ${body.toString('utf8').slice(0, 2_000)}\n→ ${status} ${text.slice(0, 500)}`;
            if (status === 200) seen[dialect].good += 1;
            else {
              expect(status, shown).toSatisfy((code: number) => code >= 400 && code < 500);
              expect(JSON.parse(text), shown).toMatchObject({ error: { message: expect.stringMatching(/./u) } });
              seen[dialect].refused += 1;
            }
          }
        };
        await Promise.all(Array.from({ length: inFlight }, work));
        for (const { good, refused } of Object.values(seen)) {
          expect(good).toBeGreaterThan(bodies / 40);
          expect(refused).toBeGreaterThan(bodies / 40);
        }
        // Nor does any stream end in such an error, or the pool lose its server.
        expect(Object.keys(gateway.statistics.errors).filter((code) => !/invalid|not-found|field/u.test(code))).toEqual(
          [],
        );
        expect(gateway.statistics.absentServers).toBe(0);
        expect(Object.keys(Object.prototype)).toEqual([]);
      },
    );
  });
}
