import { readFileSync } from 'node:fs';
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { LightningError } from '@agent-lightning/core';
import { MemoryStore } from '@agent-lightning/store';
import { startServer } from '../src/index.ts';
import { decodeJson } from '../src/otlp/decode-json.ts';
import { decodeProtobuf } from '../src/otlp/decode-protobuf.ts';
import { draftSpan } from '../src/otlp/to-span.ts';
import type { ExportedGroup } from '../src/otlp/trace-export.ts';

/** What became of mutated bodies. */
export interface FuzzResult {
  /** How many bodies were read, whole or in part. */
  readonly read: number;
  /** How many were rejected with an error of ours. */
  readonly rejected: number;
  /** Failures that are no error of ours. */
  readonly crashes: readonly string[];
}

/** Returns the bodies that official clients sent. */
function readBodies(): readonly Buffer[] {
  return ['runner-otel', 'runner-agentops', 'llm-proxy', 'trainer-runner-role'].flatMap((name) => {
    const url = new URL(`__fixtures__/agl03/${name}.json`, import.meta.url);
    const exchanges = JSON.parse(readFileSync(url, 'utf8')) as { request: { protobuf?: string } | null }[];
    return exchanges.flatMap(({ request }) =>
      request?.protobuf === undefined ? [] : [Buffer.from(request.protobuf, 'base64')],
    );
  });
}

/** Makes numbers from 0 up to below `below`, the same ones for the same seed. */
function createDice(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 4_294_967_296) * below);
  };
}

/** Changes bytes, cuts, repeats and moves pieces, as broken and hostile senders would. */
function mutate(body: Buffer, roll: (below: number) => number): Buffer {
  let bytes = Buffer.from(body);
  for (let times = 1 + roll(4); times > 0; times--) {
    const at = roll(Math.max(1, bytes.length));
    const kind = roll(6);
    if (kind === 0) bytes[at] = roll(256);
    else if (kind === 1) bytes = bytes.subarray(0, at);
    else if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(roll(at + 1))]);
    else if (kind === 3)
      bytes = Buffer.concat([bytes.subarray(0, at), Buffer.alloc(1 + roll(40), roll(256)), bytes.subarray(at)]);
    else if (kind === 4) bytes.fill(0xff, at, Math.min(bytes.length, at + 1 + roll(9)));
    else bytes = Buffer.concat([bytes.subarray(at), bytes.subarray(0, at)]);
  }
  return Buffer.from(bytes);
}

/** Reads mutated bodies as the server does, up to the spans that a store gets. */
export function fuzzReading(count: number, seed: number): FuzzResult {
  const bodies = readBodies();
  const roll = createDice(seed);
  const counts = { read: 0, rejected: 0 };
  const crashes: string[] = [];
  for (let index = 0; index < count; index++) {
    const body = mutate(bodies[roll(bodies.length)] as Buffer, roll);
    try {
      const groups: readonly ExportedGroup[] = roll(8) === 0 ? decodeJson(toJson(body, roll)) : decodeProtobuf(body);
      for (const { spans } of groups)
        for (const span of spans) draftSpan(span, { nowMs: 1, parts: {} }).finish(undefined);
      counts.read++;
    } catch (error) {
      counts.rejected++;
      if (!LightningError.isInstance(error))
        crashes.push(`${index} of seed ${seed}: ${String(error)} for ${body.toString('base64').slice(0, 400)}`);
    }
  }
  return { ...counts, crashes };
}

/** Makes JSON of the shape of an export, with values that do not belong there. */
function toJson(body: Buffer, roll: (below: number) => number): unknown {
  const odd = [
    null,
    5,
    '',
    [],
    {},
    true,
    'x',
    [[]],
    { stringValue: 5 },
    { intValue: 'x' },
    { arrayValue: { values: [null] } },
    -1,
    '1e999',
  ];
  const any = (): unknown => odd[roll(odd.length)];
  const attribute = (): unknown => ({ key: roll(9) === 0 ? any() : body.toString('latin1', 0, 9), value: any() });
  const span = {
    traceId: roll(5) === 0 ? any() : '0af7651916cd43dd8448eb211c80319c',
    spanId: 'b7ad6b7169203331',
    name: roll(5) === 0 ? any() : 'x',
    startTimeUnixNano: roll(3) === 0 ? any() : '5',
    attributes: roll(5) === 0 ? any() : [attribute(), attribute()],
    events: roll(5) === 0 ? any() : [{ name: 'e', attributes: [attribute()] }],
    links: roll(5) === 0 ? any() : [],
    status: roll(5) === 0 ? any() : { code: any() },
  };
  return {
    resourceSpans:
      roll(9) === 0 ? any() : [{ resource: { attributes: [attribute()] }, scopeSpans: [{ spans: [span, span] }] }],
  };
}

/** Sends mutated bodies, packed and plain, to a server, and returns how many got each status. */
export async function fuzzServer(count: number, seed: number): Promise<ReadonlyMap<number, number>> {
  const store = new MemoryStore();
  const server = await startServer({ store, port: 0, open: true });
  const roll = createDice(seed);
  const bodies = readBodies();
  const packers = {
    identity: (bytes: Buffer) => bytes,
    gzip: gzipSync,
    br: brotliCompressSync,
    zstd: zstdCompressSync,
  };
  const encodings = Object.keys(packers) as (keyof typeof packers)[];
  const statuses = new Map<number, number>();
  try {
    for (let index = 0; index < count; index++) {
      const encoding = encodings[roll(encodings.length)] ?? 'identity';
      const packed = packers[encoding](mutate(bodies[roll(bodies.length)] as Buffer, roll));
      const said = roll(10) === 0 ? (encodings[roll(encodings.length)] as string) : encoding;
      const response = await fetch(`${server.url}/v1/traces`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-protobuf', 'content-encoding': said },
        body: Buffer.from(roll(10) === 0 ? mutate(packed, roll) : packed),
      });
      await response.arrayBuffer();
      statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1);
    }
    return statuses;
  } finally {
    await server.close();
    await store.close();
  }
}
