/** The gateway in a process of its own, with SQLite capture, driven over IPC. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { attributeNames, type Claim, type GenerateEvent } from '@agent-lightning/core';
import { Gateway } from '@agent-lightning/gateway';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { promptKit } from '@agent-lightning/tracing';
import { foundPrompts, newTexts } from './prompted-call.ts';
import { replySizes } from './replies.ts';

/** What the driver may ask of this process. */
export type Command =
  | { readonly type: 'open'; readonly attempts: number; readonly isPrompted: boolean }
  | { readonly type: 'usage' }
  | { readonly type: 'close-attempts' }
  /** Returns the calls of the open attempts in which every prompt was replaced, and the others. */
  | { readonly type: 'replaced' }
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

/** The gateway that hands calls on to the agent's own model, with other prompts in them. */
const ownGateway = await Gateway.start({ store, ownModels: { openai: { baseUrl: upstream, apiKey: 'sk-bench' } } });
const promptsId = 'bench-prompts';
await store.putResources(promptsId, promptKit.toPromptResources(foundPrompts, newTexts));

let claims: readonly Claim[] = [];
let opened = gateway;

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
      await opened.closeAttempt(claim);
      await store.complete(claim.lease);
    }),
  );
  claims = [];
}

async function countReplaced(): Promise<{ readonly replaced: number; readonly others: number }> {
  // Closing an attempt stores its spans; it may be closed again.
  await Promise.all(claims.map((claim) => opened.closeAttempt(claim)));
  const rolloutIds = claims.map(({ rollout }) => rollout.rolloutId);
  const spans = await store.querySpans({ rolloutIds, kinds: ['object'] });
  const isWhole = ({ attributes }: (typeof spans)[number]): boolean =>
    (attributes[attributeNames.promptName] as readonly string[]).length === foundPrompts.length;
  const replaced = spans.filter(isWhole).length;
  return { replaced, others: spans.length - replaced };
}

async function run(command: Command): Promise<unknown> {
  if (command.type === 'open') {
    opened = command.isPrompted ? ownGateway : gateway;
    const resources = command.isPrompted ? { resourcesId: promptsId } : {};
    await store.enqueue(Array.from({ length: command.attempts }, () => ({ input: null, ...resources })));
    claims = await store.claim({ workerId: 'bench', limit: command.attempts, leaseMs: 600_000 });
    return Promise.all(claims.map((claim) => opened.openAttempt(claim)));
  }
  if (command.type === 'usage') return usage();
  if (command.type === 'replaced') return countReplaced();
  await closeAttempts();
  if (command.type === 'close-attempts') return true;
  await gateway.close();
  await ownGateway.close();
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
