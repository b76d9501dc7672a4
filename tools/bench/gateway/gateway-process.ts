/** The gateway in a process of its own, with SQLite capture, driven over IPC. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Claim, GenerateEvent } from '@agent-lightning/core';
import { Gateway } from '@agent-lightning/gateway';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { replySizes } from './replies.ts';

/** What the driver may ask of this process. */
export type Command =
  | { readonly type: 'open'; readonly attempts: number }
  | { readonly type: 'usage' }
  | { readonly type: 'close-attempts' }
  | { readonly type: 'stop' };

/** Memory after a collection, and processor time so far. */
export interface Usage {
  readonly heapBytes: number;
  /** Of all threads, before the collection. */
  readonly cpuMs: number;
  /** What the collection cost, which is the bench's own doing. */
  readonly collectionMs: number;
  readonly untrainable: number;
}

const [upstream = '', fastPath] = process.argv.slice(2);
const directory = await mkdtemp(join(tmpdir(), 'bench-gateway-'));
const store = await openSqliteStore({ path: join(directory, 'bench.db') });
const gateway = await Gateway.start({ store, fastPath: fastPath !== 'false' });
for (const size of Object.keys(replySizes))
  gateway.publish(size, { kind: 'openai', version: 1, baseUrl: upstream, model: size });

/** An engine that costs nothing: what is left is the gateway's own work. */
async function* engineEvents(): AsyncGenerator<GenerateEvent> {
  yield { type: 'prompt', tokens: new Int32Array(200) };
  for (let piece = 0; piece < 40; piece += 1)
    yield { type: 'piece', choice: 0, text: ' word', tokens: Int32Array.of(piece), logprobs: Float32Array.of(-0.5) };
  yield { type: 'finish', choice: 0, reason: 'stop' };
}
gateway.publish('engine', { kind: 'engine', version: 1, engine: { contextLength: 4_096, generate: engineEvents } });

let claims: readonly Claim[] = [];

function cpuSoFarMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

function usage(): Usage {
  const cpuMs = cpuSoFarMs();
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return {
    heapBytes: heapUsed + external,
    cpuMs,
    collectionMs: cpuSoFarMs() - cpuMs,
    untrainable: Object.values(gateway.statistics.untrainable).reduce((sum, count) => sum + count, 0),
  };
}

async function closeAttempts(): Promise<void> {
  await Promise.all(
    claims.map(async (claim) => {
      await gateway.closeAttempt(claim);
      await store.complete(claim.lease);
    }),
  );
  claims = [];
}

async function run(command: Command): Promise<unknown> {
  if (command.type === 'open') {
    await store.enqueue(Array.from({ length: command.attempts }, () => ({ input: null })));
    claims = await store.claim({ workerId: 'bench', limit: command.attempts, leaseMs: 600_000 });
    return Promise.all(claims.map((claim) => gateway.openAttempt(claim)));
  }
  if (command.type === 'usage') return usage();
  await closeAttempts();
  if (command.type === 'close-attempts') return true;
  await gateway.close();
  await store.close();
  await rm(directory, { recursive: true });
  setImmediate(() => process.disconnect());
  return true;
}

process.on('message', (command: Command) => {
  run(command).then(
    (answer) => process.send?.({ answer }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
process.send?.({ ready: true });
