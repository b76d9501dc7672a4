import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { toEpisode, type Lease } from '@agent-lightning/core';
import { MemoryStore } from '@agent-lightning/store';
import { ProtobufTraceSerializer } from '@opentelemetry/otlp-transformer';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KeyRing, startServer, type Server, type ServerLogEntry } from '../src/index.ts';

type AnyJson = Record<string, unknown>;

let store: MemoryStore;
let server: Server;
let keys: KeyRing;
let lease: Lease;
let log: ServerLogEntry[];

beforeEach(async () => {
  store = new MemoryStore();
  keys = new KeyRing();
  log = [];
  server = await startServer({ store, port: 0, keys, log: (entry) => log.push(entry) });
  await store.putResources('r', { main: { type: 'llm', model: 'mock', policyVersion: 7, sampling: {} } });
  await store.enqueue([{ rolloutId: 'ro-1', input: 1, resourcesId: 'r' }]);
  const [claim] = await store.claim({ workerId: 'w' });
  lease = claim!.lease;
});
afterEach(async () => {
  await server.close();
  await store.close();
});

const attribute = (key: string, value: unknown): AnyJson => ({ key, value: toAnyValue(value) });

function toAnyValue(value: unknown): AnyJson {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'number') return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  if (Array.isArray(value)) return { arrayValue: { values: value.map(toAnyValue) } };
  return { kvlistValue: { values: Object.entries(value as object).map(([key, item]) => attribute(key, item)) } };
}

const span = (id: number, name: string, attributes: Record<string, unknown> = {}): AnyJson => ({
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: id.toString(16).padStart(16, '0'),
  name,
  kind: 1,
  startTimeUnixNano: '1795899993097287567',
  endTimeUnixNano: '1795899993395752678',
  attributes: Object.entries(attributes).map(([key, value]) => attribute(key, value)),
  status: { code: 1 },
});

const exportOf = (spans: readonly AnyJson[], ids: Record<string, unknown> = attemptIds()): AnyJson => ({
  resourceSpans: [
    {
      resource: { attributes: Object.entries(ids).map(([key, value]) => attribute(key, value)) },
      scopeSpans: [{ scope: { name: 'test' }, spans }],
    },
  ],
});

function attemptIds(): Record<string, unknown> {
  return { 'agentlightning.rollout_id': lease.rolloutId, 'agentlightning.attempt_id': lease.attemptId };
}

async function post(
  body: unknown,
  { key, type = 'application/json', encoding }: { key?: string; type?: string; encoding?: string } = {},
): Promise<Response> {
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
  return fetch(`${server.url}/v1/traces`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${key ?? (await keys.add({ role: 'runner' })).key}`,
      'content-type': type,
      ...(encoding === undefined ? {} : { 'content-encoding': encoding }),
    },
    body: bytes as never,
  });
}

describe('POST /v1/traces', () => {
  it('makes transitions of token ids, and a reward once, however often the export is sent again', async () => {
    const call = span(1, 'openai.chat.completion', {
      'gen_ai.request.model': 'mock',
      'gen_ai.response.id': 'chatcmpl-1',
      'gen_ai.completion.0.finish_reason': 'stop',
      prompt_token_ids: [1, 2, 3],
      response_token_ids: [4, 5],
      response_logprobs: [-0.5, -0.25],
    });
    const reward = span(2, 'agentlightning.annotation', {
      'agentlightning.reward.0.name': 'primary',
      'agentlightning.reward.0.value': 0.75,
    });
    for (let again = 0; again < 3; again++) expect(await (await post(exportOf([call, reward]))).json()).toEqual({});
    await store.complete(lease);
    expect(await (await post(exportOf([call, reward]))).json()).toEqual({});
    const spans = await store.querySpans({ rolloutIds: ['ro-1'], includeTokens: true });
    expect(spans.map(({ kind }) => kind)).toEqual(['model_call', 'reward']);
    const episode = toEpisode((await store.getRollout('ro-1'))!, spans);
    expect(episode).toMatchObject({ reward: 0.75, untrainable: [], problems: [] });
    expect(episode.transitions).toMatchObject([{ policy: 'main', policyVersion: 7, finishReason: 'stop' }]);
    expect([...episode.transitions[0]!.promptIds]).toEqual([1, 2, 3]);
    expect([...episode.transitions[0]!.logprobs]).toEqual([-0.5, -0.25]);
  });

  it('reads what the exporter of OpenTelemetry for JavaScript sends, in every encoding', async () => {
    const context = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 1 };
    const readable = {
      name: 'chat',
      kind: 2,
      spanContext: () => context,
      startTime: [1_795_899_993, 97_287_567],
      endTime: [1_795_899_994, 0],
      status: { code: 2, message: 'went wrong' },
      attributes: { text: 'é', whole: 3, part: 0.5, yes: true, list: ['a', 'b'] },
      links: [],
      events: [{ name: 'said', time: [1_795_899_993, 5], attributes: { a: 1 } }],
      duration: [1, 0],
      ended: true,
      resource: { attributes: attemptIds(), asyncAttributesPending: false },
      instrumentationScope: { name: 'test' },
      droppedAttributesCount: 0,
      droppedEventsCount: 0,
      droppedLinksCount: 0,
    };
    const bytes = Buffer.from(ProtobufTraceSerializer.serializeRequest([readable as never])!);
    const packed = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync, zstd: zstdCompressSync };
    for (const [encoding, pack] of Object.entries(packed)) {
      const response = await post(Buffer.from(pack(bytes)), { type: 'application/x-protobuf', encoding });
      expect([response.status, (await response.arrayBuffer()).byteLength]).toEqual([200, 0]);
    }
    const [stored, ...others] = await store.querySpans({ rolloutIds: ['ro-1'] });
    expect(others).toEqual([]);
    expect(stored).toMatchObject({
      spanId: context.spanId,
      traceId: context.traceId,
      name: 'chat',
      status: { code: 'error', message: 'went wrong' },
      endTimeMs: 1_795_899_994_000,
      attributes: readable.attributes,
    });
    expect(stored!.startTimeMs).toBeCloseTo(1_795_899_993_097.2876, 3);
  });

  it('counts the spans that it did not take, and says why', async () => {
    const mixed = exportOf([
      span(1, 'good'),
      span(2, 'agentlightning.annotation', {
        'agentlightning.reward.0.name': 'primary',
        'agentlightning.reward.0.value': 'much',
      }),
      { ...span(3, 'bad'), spanId: '' },
    ]);
    const lost = exportOf([span(4, 'lost')], {});
    const unknown = exportOf([span(5, 'unknown')], { ...attemptIds(), 'agentlightning.rollout_id': 'ro-none' });
    const all = { resourceSpans: [mixed, lost, unknown].flatMap((each) => each['resourceSpans'] as AnyJson[]) };
    const { partialSuccess } = (await (await post(all)).json()) as {
      partialSuccess: { rejectedSpans: string; errorMessage: string };
    };
    expect(partialSuccess.rejectedSpans).toBe('4');
    expect(partialSuccess.errorMessage).toMatch(/span id ""/u);
    expect(partialSuccess.errorMessage).toMatch(/agentlightning.rollout_id/u);
    expect(log.filter(({ event }) => event === 'spans-rejected')).toMatchObject([
      { level: 'warn', count: 4, reason: expect.stringContaining('agentlightning.rollout_id') },
    ]);
    const stored = await store.querySpans({ rolloutIds: ['ro-1'] });
    expect(stored.map(({ name }) => name)).toEqual(['good']);
  });

  it('keeps nested values as text, and leaves out by name what is too long', async () => {
    const response = await post(
      exportOf([span(1, 'x', { nested: { a: [1, 'b'] }, long: 'x'.repeat(4_194_305), mixed: [1, 'a'] })]),
    );
    expect(await response.json()).toEqual({});
    const [stored] = await store.querySpans({ rolloutIds: ['ro-1'] });
    expect(stored!.attributes).toMatchObject({
      nested: '{"a":[1,"b"]}',
      mixed: '[1,"a"]',
      'agentlightning.omitted': ['long'],
    });
  });

  it('takes spans of an agent for the attempt of its key, without ids, and no reward', async () => {
    const key = keys.mintAgentKey(lease);
    const reward = span(2, 'agentlightning.annotation', {
      'agentlightning.reward.0.name': 'a',
      'agentlightning.reward.0.value': 1,
    });
    const reply = (await (await post(exportOf([span(1, 'mine'), reward], {}), { key })).json()) as AnyJson;
    expect(reply).toMatchObject({
      partialSuccess: { rejectedSpans: '1', errorMessage: expect.stringMatching(/agentRewards/u) },
    });
    const other = { ...attemptIds(), 'agentlightning.rollout_id': 'ro-2' };
    expect(await (await post(exportOf([span(3, 'foreign')], other), { key })).json()).toMatchObject({
      partialSuccess: { rejectedSpans: '1', errorMessage: expect.stringMatching(/another attempt/u) },
    });
    expect((await store.querySpans({ rolloutIds: ['ro-1'] })).map(({ name }) => name)).toEqual(['mine']);
  });

  it('takes a late reward of the newest attempt, and no other late span', async () => {
    await store.complete(lease);
    const reward = span(2, 'agentlightning.annotation', {
      'agentlightning.reward.0.name': 'a',
      'agentlightning.reward.0.value': 1,
    });
    for (let again = 0; again < 2; again++)
      expect(await (await post(exportOf([span(1, 'late'), reward]))).json()).toMatchObject({
        partialSuccess: { rejectedSpans: '1', errorMessage: expect.stringMatching(/is over \(succeeded\)/u) },
      });
    expect((await store.querySpans({ rolloutIds: ['ro-1'] })).map(({ kind }) => kind)).toEqual(['reward']);
  });

  it('answers what it cannot read with a status of Google in the encoding of the request', async () => {
    const broken = await post(Buffer.from('ffffff', 'hex'), { type: 'application/x-protobuf' });
    expect([broken.status, broken.headers.get('content-type')]).toEqual([400, 'application/x-protobuf']);
    const reader = new BinaryReader(new Uint8Array(await broken.arrayBuffer()));
    expect([reader.tag()[0], reader.int32(), reader.tag()[0]]).toEqual([1, 3, 2]);
    expect(reader.string()).toMatch(/no ExportTraceServiceRequest/u);
    expect((await post(exportOf([]), { type: 'text/plain' })).status).toBe(400);
    expect(await (await post({ resourceSpans: 5 })).json()).toMatchObject({
      code: 3,
      message: 'resourceSpans must be a list',
    });
    expect((await post(exportOf([]), { encoding: 'snappy' })).status).toBe(415);
    expect((await post(exportOf([]), { key: 'nobody' })).status).toBe(401);
    expect(
      (
        await post(Buffer.from(gzipSync(Buffer.alloc(8_000_000))), {
          type: 'application/x-protobuf',
          encoding: 'gzip',
        })
      ).status,
    ).toBe(413);
    const large = await post(Buffer.alloc(17 * 1_048_576, ' '));
    expect([large.status, await large.text()]).toEqual([413, expect.stringContaining('this route takes no more')]);
  });

  it('refuses a small body that would become a large object', async () => {
    const emptySpans = Buffer.alloc(2 * 600_000, Buffer.from([0x12, 0]));
    const length = (size: number): Buffer => {
      const bytes: number[] = [];
      for (let left = size; ; left >>>= 7) {
        if (left < 128) return Buffer.from([...bytes, left]);
        bytes.push((left & 127) | 128);
      }
    };
    const scope = Buffer.concat([Buffer.from([0x12]), length(emptySpans.length), emptySpans]);
    const body = Buffer.concat([Buffer.from([0x0a]), length(scope.length), scope]);
    expect((await post(body, { type: 'application/x-protobuf' })).status).toBe(413);
    const json = `{"resourceSpans":[{"scopeSpans":[{"spans":[{}${',{}'.repeat(30_000)}]}]}]}`;
    expect((await post(Buffer.from(json))).status).toBe(413);
  });

  it('lets the key of an agent not change how the spans of another attempt are numbered', async () => {
    await store.enqueue([{ rolloutId: 'ro-2', input: 2 }]);
    const [other] = await store.claim({ workerId: 'w' });
    const { rolloutId, attemptId } = other!.lease;
    const ids = { 'agentlightning.rollout_id': rolloutId, 'agentlightning.attempt_id': attemptId };
    const high = span(3, 'foreign', { 'agentlightning.span_sequence_id': 1_000_000 });
    expect(await (await post(exportOf([high], ids), { key: keys.mintAgentKey(lease) })).json()).toMatchObject({
      partialSuccess: { rejectedSpans: '1', errorMessage: expect.stringMatching(/another attempt/u) },
    });
    const next = await fetch(`${server.url}/v1/agl/spans/next`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${(await keys.add({ role: 'runner' })).key}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ rollout_id: rolloutId, attempt_id: attemptId }),
    });
    expect(await next.json()).toEqual({ sequence_id: 1 });
  });
});
