import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { attributeNames as names, toEpisode, type Claim, type LightningStore, type Span } from '@agent-lightning/core';
import { startModelServer, type ModelServer } from '@agent-lightning/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { connectGateway, type RemoteGateway } from '../src/index.ts';
import { clientFor, onStop, stopAll, until } from './harness.ts';

afterEach(stopAll);
const adminKey = 'k'.repeat(40);
const bin = fileURLToPath(new URL('../src/bin.ts', import.meta.url));
const body = { model: 'policy', messages: [{ role: 'user' as const, content: 'hi' }] };

interface Running {
  readonly child: ChildProcess;
  readonly url: string;
  readonly events: Record<string, unknown>[];
}

function launch(args: readonly string[]): ChildProcess {
  const child = spawn(
    process.execPath,
    ['--conditions=@agent-lightning/source', '--disable-warning=ExperimentalWarning', bin, ...args],
    { env: { ...process.env, GATEWAY_ADMIN_KEY: adminKey }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  onStop(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  });
  return child;
}

async function startStandalone(directory: string, flags: readonly string[] = []): Promise<Running> {
  const child = launch(['--config', join(directory, 'gateway.json'), '--store', join(directory, 'runs.db'), ...flags]);
  const events: Record<string, unknown>[] = [];
  let said = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  if (child.stdout === null) throw new Error('no output');
  const began = Promise.withResolvers<void>();
  child.on('close', () => began.resolve());
  createInterface({ input: child.stdout }).on('line', (line) => {
    const event = JSON.parse(line) as Record<string, unknown>;
    events.push(event);
    if (event['event'] === 'listening') began.resolve();
  });
  await began.promise;
  const url = events.find(({ event }) => event === 'listening')?.['url'];
  if (typeof url !== 'string') throw new Error(`the gateway did not start: ${said}`);
  return { child, url, events };
}

/** The gateway depends on no store; its tests need one that two processes can share. */
async function openStore(directory: string): Promise<LightningStore> {
  const module = '@agent-lightning/store-sqlite';
  const { openSqliteStore } = (await import(module)) as {
    openSqliteStore: (options: { path: string }) => LightningStore | Promise<LightningStore>;
  };
  const store = await openSqliteStore({ path: join(directory, 'runs.db') });
  onStop(() => store.close());
  return store;
}

async function claimFrom(store: LightningStore): Promise<Claim> {
  await store.enqueue([{ input: null }]);
  const [claim] = await store.claim({ workerId: 'test', leaseMs: 600_000 });
  if (claim === undefined) throw new Error('nothing to claim');
  return claim;
}

/** A folder with a store, an upstream, and a gateway of its own over both. */
async function setUp(flags: readonly string[] = []): Promise<{
  directory: string;
  store: LightningStore;
  server: ModelServer;
  running: Running;
  remote: RemoteGateway;
  claimOne(): Promise<Claim>;
}> {
  const directory = await mkdtemp(join(tmpdir(), 'gateway-'));
  onStop(() => rm(directory, { recursive: true, force: true }));
  const server = await startModelServer({ apiKey: 'upstream-secret' });
  onStop(() => server.close());
  await writeFile(
    join(directory, 'gateway.json'),
    JSON.stringify({
      adminKeyEnv: 'GATEWAY_ADMIN_KEY',
      writeDelayMs: 5,
      announceAfterMs: 20,
      upstreams: { vllm: { baseUrl: server.baseUrl, apiKey: 'upstream-secret' } },
      policies: { policy: { upstream: 'vllm', model: 'm-v0' } },
    }),
  );
  const store = await openStore(directory);
  const running = await startStandalone(directory, flags);
  return {
    directory,
    store,
    server,
    running,
    remote: connectGateway({ url: running.url, adminKey }),
    claimOne: () => claimFrom(store),
  };
}

function spansOf(store: LightningStore, { rollout }: Claim): Promise<readonly Span[]> {
  return store.querySpans({ rolloutIds: [rollout.rolloutId], includeTokens: true });
}

describe('a gateway on its own', () => {
  it('leaves the call behind that it was killed in, and loses nothing that it acknowledged', async () => {
    const { directory, store, server, running, remote, claimOne } = await setUp();
    const done = await claimOne();
    await clientFor(await remote.openAttempt(done)).chat.completions.create(body);
    await remote.closeAttempt(done);
    const cut = await claimOne();
    const client = clientFor(await remote.openAttempt(cut));
    server.respondWith(() => ({ content: 'one two three', fault: { type: 'stall', afterEvents: 3 } }));
    const stream = await client.chat.completions.create({ ...body, stream: true });
    let text = '';
    const read = (async () => {
      for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    })();
    const outcome = read.then(
      () => 'a reply that looks whole',
      () => 'an error',
    );
    await until(() => text === 'one two');
    // The reply stands still, so the call goes on when it is announced.
    while ((await store.querySpans({ rolloutIds: [cut.rollout.rolloutId] })).length === 0) await delay(1);
    const exited = once(running.child, 'exit');
    running.child.kill('SIGKILL');
    await exited;
    expect(await outcome).toBe('an error');
    await store.close();
    const kept = await openStore(directory);
    const [whole, ...others] = await spansOf(kept, done);
    expect(others).toEqual([]);
    expect(whole).not.toHaveProperty('isOpen');
    expect(whole?.attributes).not.toHaveProperty(names.untrainable);
    expect(whole?.tokens?.response.length).toBeGreaterThan(0);
    const spans = await spansOf(kept, cut);
    expect(spans).toMatchObject([
      {
        isOpen: true,
        status: { code: 'error' },
        attributes: { [names.incomplete]: true, [names.policy]: 'policy', [names.inputMessages]: expect.any(String) },
      },
    ]);
    expect(spans[0]).not.toHaveProperty('tokens');
    // Its attempt can end without it, and nothing of it is trained on.
    const rollout = await kept.fail(cut.lease, { code: 'agent-failed', message: 'the stream broke' });
    expect(toEpisode(rollout, spans)).toMatchObject({
      transitions: [],
      untrainable: [{ reason: expect.stringMatching(/^incomplete: the call did not end/u) }],
      problems: [],
    });
    // It starts again over the same store, and goes on.
    const again = await startStandalone(directory);
    const next = await claimFrom(kept);
    server.respondWith(() => 'back');
    const reopened = connectGateway({ url: again.url, adminKey });
    // Whether it had stored every call of an attempt of the process before, it cannot know.
    await expect(reopened.closeAttempt(cut)).rejects.toMatchObject({ code: 'attempt-unknown', retryable: false });
    const reply = await clientFor(await reopened.openAttempt(next)).chat.completions.create(body);
    expect(reply.choices[0]?.message.content).toBe('back');
    await reopened.closeAttempt(next);
    await reopened.closeAttempt(next); // as one does that did not hear the answer
    expect((await spansOf(kept, next))[0]?.tokens?.response.length).toBeGreaterThan(0);
  });

  it('drains at SIGTERM: calls in flight finish and are stored, new ones are sent away', async () => {
    const { store, server, running, remote, claimOne } = await setUp();
    const claim = await claimOne();
    const client = clientFor(await remote.openAttempt(claim));
    let answer = (): void => undefined;
    server.respondWith(
      () =>
        new Promise<string>((resolve) => {
          answer = () => resolve('late');
        }),
    );
    const inFlight = client.chat.completions.create(body);
    await until(() => server.calls.length === 1);
    const exited = once(running.child, 'exit');
    running.child.kill('SIGTERM');
    await until(() => running.events.some(({ event }) => event === 'closing'));
    await expect(client.chat.completions.create(body)).rejects.toThrow();
    answer();
    expect((await inFlight).choices[0]?.message.content).toBe('late');
    expect(await exited).toEqual([0, null]);
    const spans = await store.querySpans({ rolloutIds: [claim.rollout.rolloutId], includeTokens: true });
    expect(spans[0]?.tokens?.response).toHaveLength(2);
    expect(JSON.stringify(running.events)).not.toMatch(/upstream-secret|kkkkkkkk|late/u);
  });

  it('ends what is not over when the drain is, as an error to the agent and an incomplete span', async () => {
    const { store, server, running, remote, claimOne } = await setUp(['--drain-ms', '20']);
    const claim = await claimOne();
    const client = clientFor(await remote.openAttempt(claim));
    server.respondWith(() => ({ content: 'one two three', fault: { type: 'stall', afterEvents: 3 } }));
    let text = '';
    const read = (async () => {
      for await (const chunk of await client.chat.completions.create({ ...body, stream: true }))
        text += chunk.choices[0]?.delta.content ?? '';
    })();
    const outcome = expect(read).rejects.toThrow();
    await until(() => text === 'one two');
    const exited = once(running.child, 'exit');
    running.child.kill('SIGTERM');
    await outcome;
    expect(await exited).toEqual([0, null]);
    const [span] = await store.querySpans({ rolloutIds: [claim.rollout.rolloutId], includeTokens: true });
    expect(span?.attributes).toMatchObject({ [names.incomplete]: true });
    expect(span?.attributes[names.untrainable]).toMatch(/^incomplete/u);
    expect(span?.tokens?.response).toHaveLength(2);
  });

  it.each<[string, readonly string[], RegExp]>([
    ['no store', [], /no store: give --store FILE/u],
    ['an unknown flag', ['--sotre', 'x'], /Unknown option '--sotre'/u],
    ['a port that is none', ['--store', 'x', '--port', 'abc'], /--port must be a number/u],
    ['a config that is not there', ['--config', '/nowhere/gateway.json'], /cannot read \/nowhere\/gateway\.json/u],
  ])('says what is wrong with %s', async (_name, args, message) => {
    const child = launch(args);
    let said = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    const [code] = (await once(child, 'close')) as [number];
    expect(code).toBe(1);
    expect(said).toMatch(message);
  });
});
