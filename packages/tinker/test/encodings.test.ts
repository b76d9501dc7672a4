import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TrainablePolicy } from '@agent-lightning/core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { PassEncoding } from '../src/pass-encoding.ts';
import type { ServerKind } from '../src/server-kinds.ts';
import { openFake, someSamples, type FakeSetup, type FakeSetupOptions } from './fake-backend.ts';
import type { TinkerCall, TinkerFault } from './fakes/fake-tinker.ts';
import { createTinyCheckpoint } from '../../embedded/test/tiny-checkpoint.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'tinker-encodings-'));
  await createTinyCheckpoint(join(root, 'model'));
});
afterAll(() => rm(root, { recursive: true }));

let setup: FakeSetup;
let policy: TrainablePolicy;
afterEach(() => setup.close());

async function open(serverKind: ServerKind, options: FakeSetupOptions): Promise<void> {
  setup = await openFake(serverKind, join(root, 'model'), options);
  policy = await setup.backend.createPolicy({ name: 'writer', seed: 1 });
}

function failWith(answer: (call: TinkerCall) => TinkerFault | undefined): void {
  setup.server.failWith(answer);
}

const isPass = ({ route }: TinkerCall): boolean => route === 'forward' || route === 'forward_backward';
const encodings = (): readonly PassEncoding[] => setup.server.calls.filter(isPass).map(({ encoding }) => encoding);
const applied = (): readonly string[] => setup.server.applied.map(({ route }) => route);

describe.each(['worker', 'skyrl', 'tinker'] as const)('a %s server', (serverKind) => {
  it.each(['json', 'protobuf'] as const)('that takes only %s is found out with the first pass', async (encoding) => {
    await open(serverKind, { encodings: [encoding] });
    const before = await policy.forward(someSamples);
    const first = encodings();
    expect(first.at(-1)).toBe(encoding);
    await policy.forwardBackward(someSamples, { name: 'cross_entropy' });
    await policy.optimStep({ learningRate: 0.1 });
    const after = await policy.forward(someSamples);
    expect(after).not.toEqual(before);
    // Settled: every later pass goes once, as it must.
    expect(encodings().slice(first.length)).toEqual([encoding, encoding]);
    expect(applied()).toEqual(['forward', 'forward_backward', 'optim_step', 'forward']);
    expect(setup.server.applied.map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4]);
    expect(setup.clock.waits).not.toContain(500); // no pause before another try
  });

  it('gives the same numbers in both encodings', async () => {
    const results = [];
    for (const encoding of ['json', 'protobuf'] as const) {
      await open(serverKind, { encodings: [encoding] });
      const pass = await policy.forwardBackward(someSamples, { name: 'importance_sampling' });
      const step = await policy.optimStep({ learningRate: 0.1 });
      results.push({ pass, step, forward: await policy.forward(someSamples) });
      if (encoding === 'json') await setup.close();
    }
    expect(results[0]).toEqual(results[1]);
  });

  it('tells what is wrong with the samples of the first pass, whatever it takes', async () => {
    for (const encoding of ['json', 'protobuf'] as const) {
      await open(serverKind, { encodings: [encoding] });
      const words = { error: 'advantages: too strange', detail: 'advantages: too strange' };
      failWith((call) => {
        if (!isPass(call) || call.encoding !== encoding) return undefined;
        return { type: 'status', status: 422, body: words };
      });
      await expect(policy.forwardBackward(someSamples, { name: 'cross_entropy' })).rejects.toMatchObject({
        code: 'samples-invalid',
        message: expect.stringContaining('too strange'),
      });
      setup.server.failWith(undefined);
      await policy.forwardBackward(someSamples, { name: 'cross_entropy' });
      expect(applied()).toEqual(['forward_backward']);
      if (encoding === 'json') await setup.close();
    }
  });

  it('that takes neither is named at once, and nothing is lost', async () => {
    await open(serverKind, { encodings: [] });
    const refuse = (): TinkerFault => ({ type: 'status', status: 415, body: { detail: 'send CBOR' } });
    failWith((call) => (isPass(call) ? refuse() : undefined));
    await expect(policy.forward(someSamples)).rejects.toMatchObject({
      code: 'backend-failed',
      retryable: false,
      message: expect.stringMatching(/forward of policy 'writer' neither as JSON nor as protobuf: .*415 \(send CBOR\)/),
    });
    expect(setup.clock.waits).not.toContain(500);
  });
});

describe('a Tinker server', () => {
  it('that fails for a moment gets its first pass again in its own encoding', async () => {
    await open('tinker', { encodings: ['protobuf'] });
    let failures = 2;
    failWith((call) => (isPass(call) && call.encoding === 'protobuf' && failures-- > 0 ? down : undefined));
    await policy.forwardBackward(someSamples, { name: 'cross_entropy' });
    expect(encodings()).toEqual(['protobuf', 'json', 'protobuf', 'protobuf']);
    expect(applied()).toEqual(['forward_backward']);
  });

  it('that is replaced by a newer or an older one is found out again', async () => {
    await open('tinker', { encodings: ['protobuf', 'json'] });
    await policy.forward(someSamples);
    failWith((call) => (isPass(call) && call.encoding === 'protobuf' ? tooNew : undefined));
    await policy.forward(someSamples);
    failWith((call) => (isPass(call) && call.encoding === 'json' ? tooNew : undefined));
    await policy.forward(someSamples);
    expect(encodings()).toEqual(['protobuf', 'protobuf', 'json', 'json', 'protobuf']);
  });
});

const down: TinkerFault = { type: 'status', status: 500, body: { detail: 'no disk' } };
const tooNew: TinkerFault = { type: 'status', status: 415, body: { detail: 'another encoding, please' } };

describe('an answer that does not fit', () => {
  /** Puts something else in the place of the fake's answers to some routes. */
  async function standBefore(route: string, status: number, type: string, body: string | Buffer): Promise<FakeSetup> {
    await open('tinker', {});
    const target = setup.server;
    const proxy = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        if (request.url === `/api/v1/${route}`)
          return void response.writeHead(status, { 'content-type': type }).end(body);
        const { host: _, connection: __, 'content-length': ___, ...headers } = request.headers;
        const sent = Buffer.concat(chunks);
        const init = { method: request.method!, headers: headers as Record<string, string> };
        void fetch(`${target.url}${request.url}`, sent.length === 0 ? init : { ...init, body: sent }).then(
          async (answer) => {
            const kind = answer.headers.get('content-type') ?? 'application/json';
            response.writeHead(answer.status, { 'content-type': kind }).end(Buffer.from(await answer.arrayBuffer()));
          },
        );
      });
    });
    proxy.listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    const before = await openFake('tinker', join(root, 'model'), { server: { ...target, url } });
    const close = async (): Promise<void> => {
      await before.close();
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
    };
    return { ...before, close };
  }

  it.each([
    [
      'a message that is cut off',
      'retrieve_future',
      'application/x-protobuf',
      Buffer.of(0x12, 0x7f, 1, 2),
      'its result is expected as JSON',
    ],
    ['a message where JSON belongs', 'create_model', 'application/x-protobuf', Buffer.of(), 'only results come as one'],
  ])('is named at once: %s', async (_, route, type, body, words) => {
    const before = await standBefore(route, 200, type, body);
    try {
      await expect(before.backend.createPolicy({ name: 'other', seed: 1 })).rejects.toMatchObject({
        code: 'backend-failed',
        message: expect.stringMatching(new RegExp(`create_model.*${words}.*another version of the Tinker protocol`)),
      });
      expect(before.clock.waits).not.toContain(500);
    } finally {
      await before.close();
    }
  });

  it('is named at once: a route that the server does not have is no lost session', async () => {
    const before = await standBefore('optim_step', 404, 'application/json', '{"detail":"Not Found"}');
    try {
      const other = await before.backend.createPolicy({ name: 'other', seed: 1 });
      await other.forwardBackward(someSamples, { name: 'cross_entropy' });
      await expect(other.optimStep({ learningRate: 0.1 })).rejects.toMatchObject({
        code: 'backend-failed',
        message: expect.stringMatching(/no route for optim_step of policy 'other' \(404: Not Found\)/),
      });
    } finally {
      await before.close();
    }
  });
});
