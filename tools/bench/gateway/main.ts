/**
 * Measures the gateway with SQLite capture against a bare mock upstream, in the same run: one JSON line per case.
 * Mock, gateway and load generator are three processes, so on 2 cores they compete; the mock is measured alone first, and what
 * each of them took of the processor is printed, so that one can see which of them a figure is of. In the cases `prompts` the gateway hands calls on to
 * the agent's own model and puts other prompts into them. With `--json` the last line has all cases by name.
 *
 *     npm run bench:gateway -- [--no-fast-path] [--json] [12KB 12KB/stream 203KB 203KB/stream prompts prompts/stream engine engine/stream]
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { drive, type LoadResult, type Target } from './load.ts';
import type { Command, Usage } from './gateway-process.ts';
import { promptedBody } from './prompted-call.ts';
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

const lines: Record<string, unknown> = {};

function print(line: Record<string, unknown>, name?: string): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
  if (name !== undefined) lines[name] = line;
}

function nameCase(name: string, isStream: boolean): string {
  return isStream ? `${name}/stream` : name;
}

/** The load of one case on the gateway. */
interface GatewayLoad {
  readonly body: Buffer;
  readonly calls: number;
  readonly concurrency: number;
  readonly rate?: number;
  /** True where the gateway hands calls on to the agent's own model, with other prompts. */
  readonly isPrompted?: boolean;
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
  { body, calls, concurrency, rate, isPrompted = false }: GatewayLoad,
): Promise<Measured> {
  const targets = await ask<Target[]>(gateway, { type: 'open', attempts, isPrompted });
  const warming = Math.min(200, calls);
  await drive({ targets, body, calls: warming, concurrency });
  const before = await ask<Usage>(gateway, { type: 'usage' });
  const [upstreamBefore, ownBefore] = [await ask<number>(upstream, { type: 'cpu' }), ownCpuMs()];
  const load = await drive({ targets, body, calls, concurrency, ...(rate === undefined ? {} : { rate }) });
  const [upstreamAfter, ownAfter] = [await ask<number>(upstream, { type: 'cpu' }), ownCpuMs()];
  const after = await ask<Usage>(gateway, { type: 'usage' });
  const { replaced, others } = await ask<{ replaced: number; others: number }>(gateway, { type: 'replaced' });
  await ask(gateway, { type: 'close-attempts' });
  if (after.untrainable > 0) throw new Error(`${after.untrainable} calls were not captured whole`);
  if (others > 0 || replaced !== (isPrompted ? warming + calls : 0))
    throw new Error(`prompts were replaced in ${replaced} calls, and not in ${others} others`);
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

async function benchUpstream(
  gateway: ChildProcess,
  mock: Target,
  size: ReplySize,
  isStream: boolean,
  isPrompted = false,
): Promise<void> {
  const body = isPrompted ? promptedBody(size, isStream) : bodyOf(size, isStream);
  const rate = size === '12KB' ? 150 : 50;
  await drive({ targets: [mock], body, calls: 300, concurrency: 16 });
  const bare = await drive({ targets: [mock], body, calls: keptAfterCalls, concurrency: 16 });
  const load = { body, concurrency: 16, isPrompted };
  const through = await measure(gateway, { ...load, calls: keptAfterCalls });
  const bareModerate = await drive({ targets: [mock], body, calls: rate * 5, concurrency: 16, rate });
  const moderate = await measure(gateway, { ...load, calls: rate * 5, rate });
  const line = {
    bench: 'gateway',
    upstream: isPrompted ? 'own model' : 'http',
    reply: size,
    stream: isStream,
    replacesPrompts: isPrompted,
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
  };
  print(line, nameCase(isPrompted ? 'prompts' : size, isStream));
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

const fastPath = !process.argv.includes('--no-fast-path');
print({ bench: 'gateway', fastPath, node: process.version, cpus: cpus().length, cpu: cpus()[0]?.model });
const upstream = start('upstream-process.ts', []);
const { baseUrl } = (await nextMessage(upstream)) as { baseUrl: string };
const mock: Target = { baseUrl, apiKey: 'none' };
const gateway = start('gateway-process.ts', [baseUrl, String(fastPath)], gatewayFlags);
await nextMessage(gateway);
const only = new Set(process.argv.slice(2).filter((argument) => !['--no-fast-path', '--json'].includes(argument)));
const cases = [...Object.keys(replySizes), 'prompts', 'engine'].flatMap((name) => [name, `${name}/stream`]);
for (const name of only)
  if (!cases.includes(name)) throw new Error(`there is no case "${name}"; there are ${cases.join(', ')}`);
const isWanted = (name: string, isStream: boolean): boolean => only.size === 0 || only.has(nameCase(name, isStream));

for (const size of Object.keys(replySizes) as ReplySize[]) {
  for (const isStream of [false, true])
    if (isWanted(size, isStream)) await benchUpstream(gateway, mock, size, isStream);
}
for (const isStream of [false, true].filter((one) => isWanted('prompts', one)))
  await benchUpstream(gateway, mock, '12KB', isStream, true);
for (const isStream of [false, true].filter((one) => isWanted('engine', one))) {
  const { load, ...cost } = await measure(gateway, { body: bodyOf('engine', isStream), calls: 4_000, concurrency: 8 });
  const line = {
    bench: 'gateway',
    upstream: 'engine',
    sampledTokens: 40,
    stream: isStream,
    calls: 4_000,
    concurrency: 8,
    ...load,
    ...cost,
  };
  print(line, nameCase('engine', isStream));
}
if (process.argv.includes('--json')) print({ bench: 'gateway', cases: lines });
await ask(gateway, { type: 'stop' });
upstream.kill();
