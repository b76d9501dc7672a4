/**
 * Measures the gateway with SQLite capture against a bare mock upstream, in the same run: one JSON line per case.
 * Mock, gateway and load generator are three processes, so on 2 cores they compete; the mock is measured alone first, and what
 * each of them took of the processor is printed, so that one can see which of them a figure is of.
 *
 *     npm run bench:gateway -- [--no-fast-path] [12KB 12KB/stream 203KB 203KB/stream engine engine/stream]
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { drive, type LoadResult, type Target } from './load.ts';
import type { Command, Usage } from './gateway-process.ts';
import { replySizes, type ReplySize } from './replies.ts';

const attempts = 16;
const keptAfterCalls = 2_000;

/** As the gateway's own command starts it. */
const gatewayFlags = ['--v8-pool-size=0', '--max-semi-space-size=2'];

function start(file: string, args: readonly string[], flags: readonly string[] = []): ChildProcess {
  const path = fileURLToPath(new URL(file, import.meta.url));
  return fork(path, args, { execArgv: [...flags, '--expose-gc', '--disable-warning=ExperimentalWarning'] });
}

async function nextMessage(child: ChildProcess): Promise<Record<string, unknown>> {
  const over = new AbortController();
  try {
    const exit = once(child, 'exit', { signal: over.signal }).then(([code]) => {
      throw new Error(`a bench process ended with code ${String(code)}`);
    });
    const [message] = (await Promise.race([once(child, 'message', { signal: over.signal }), exit])) as unknown[];
    return message as Record<string, unknown>;
  } finally {
    over.abort();
  }
}

async function ask<Answer>(child: ChildProcess, command: Command | { readonly type: 'cpu' }): Promise<Answer> {
  child.send(command);
  const { answer, error } = await nextMessage(child);
  if (error !== undefined) throw new Error(String(error));
  return answer as Answer;
}

function bodyOf(model: string, isStream: boolean): Buffer {
  return Buffer.from(
    JSON.stringify({
      model,
      messages: [{ role: 'user', content: 'How many singers are there?'.repeat(8) }],
      stream: isStream,
    }),
  );
}

function print(line: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

interface Measured {
  readonly load: LoadResult;
  /** Of all threads of each process. */
  readonly cpuMicrosecondsPerCall: { readonly gateway: number; readonly upstream: number; readonly load: number };
  readonly keptBytesPerCall: number;
}

function ownCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

/** Drives the gateway on fresh attempts, and says what it cost and kept. */
async function measure(
  gateway: ChildProcess,
  body: Buffer,
  calls: number,
  concurrency: number,
  rate?: number,
): Promise<Measured> {
  const targets = await ask<Target[]>(gateway, { type: 'open', attempts });
  await drive({ targets, body, calls: Math.min(200, calls), concurrency });
  const before = await ask<Usage>(gateway, { type: 'usage' });
  const [upstreamBefore, ownBefore] = [await ask<number>(upstream, { type: 'cpu' }), ownCpuMs()];
  const load = await drive({ targets, body, calls, concurrency, ...(rate === undefined ? {} : { rate }) });
  const [upstreamAfter, ownAfter] = [await ask<number>(upstream, { type: 'cpu' }), ownCpuMs()];
  const after = await ask<Usage>(gateway, { type: 'usage' });
  await ask(gateway, { type: 'close-attempts' });
  if (after.untrainable > 0) throw new Error(`${after.untrainable} calls were not captured whole`);
  const perCall = (ms: number): number => Math.round((ms * 1_000) / calls);
  return {
    load,
    cpuMicrosecondsPerCall: {
      gateway: perCall(after.cpuMs - before.cpuMs - before.collectionMs),
      upstream: perCall(upstreamAfter - upstreamBefore),
      load: perCall(ownAfter - ownBefore),
    },
    keptBytesPerCall: Math.round((after.heapBytes - before.heapBytes) / calls),
  };
}

async function benchUpstream(gateway: ChildProcess, mock: Target, size: ReplySize, isStream: boolean): Promise<void> {
  const body = bodyOf(size, isStream);
  const rate = size === '12KB' ? 150 : 50;
  await drive({ targets: [mock], body, calls: 300, concurrency: 16 });
  const bare = await drive({ targets: [mock], body, calls: keptAfterCalls, concurrency: 16 });
  const through = await measure(gateway, body, keptAfterCalls, 16);
  const bareModerate = await drive({ targets: [mock], body, calls: rate * 5, concurrency: 16, rate });
  const moderate = await measure(gateway, body, rate * 5, 16, rate);
  print({
    bench: 'gateway',
    upstream: 'http',
    reply: size,
    stream: isStream,
    calls: keptAfterCalls,
    concurrency: 16,
    requestsPerSecond: through.load.requestsPerSecond,
    bareRequestsPerSecond: bare.requestsPerSecond,
    p50Ms: through.load.p50Ms,
    p99Ms: through.load.p99Ms,
    bareP50Ms: bare.p50Ms,
    bareP99Ms: bare.p99Ms,
    moderateLoad: {
      callsPerSecond: rate,
      addedP50Ms: round(moderate.load.p50Ms - bareModerate.p50Ms),
      addedP99Ms: round(moderate.load.p99Ms - bareModerate.p99Ms),
      bareP99Ms: bareModerate.p99Ms,
    },
    cpuMicrosecondsPerCall: through.cpuMicrosecondsPerCall,
    keptBytesPerCall: through.keptBytesPerCall,
  });
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

const fastPath = !process.argv.includes('--no-fast-path');
print({ bench: 'gateway', fastPath, node: process.version, cpus: cpus().length, cpu: cpus()[0]?.model });
const upstream = start('upstream-process.ts', []);
const { baseUrl } = (await nextMessage(upstream)) as { baseUrl: string };
const gateway = start('gateway-process.ts', [baseUrl, String(fastPath)], gatewayFlags);
await nextMessage(gateway);
const only = new Set(process.argv.slice(2).filter((argument) => argument !== '--no-fast-path'));
const cases = [...Object.keys(replySizes), 'engine'].flatMap((name) => [name, `${name}/stream`]);
for (const name of only)
  if (!cases.includes(name)) throw new Error(`there is no case "${name}"; there are ${cases.join(', ')}`);
const isWanted = (name: string, isStream: boolean): boolean =>
  only.size === 0 || only.has(isStream ? `${name}/stream` : name);

for (const size of Object.keys(replySizes) as ReplySize[]) {
  for (const isStream of [false, true])
    if (isWanted(size, isStream)) await benchUpstream(gateway, { baseUrl, apiKey: 'none' }, size, isStream);
}
for (const isStream of [false, true].filter((one) => isWanted('engine', one))) {
  const { load, ...cost } = await measure(gateway, bodyOf('engine', isStream), 4_000, 8);
  print({
    bench: 'gateway',
    upstream: 'engine',
    sampledTokens: 40,
    stream: isStream,
    calls: 4_000,
    concurrency: 8,
    ...load,
    ...cost,
  });
}
await ask(gateway, { type: 'stop' });
upstream.kill();
