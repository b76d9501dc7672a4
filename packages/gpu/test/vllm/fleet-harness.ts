/** A fleet on fake servers, with a clock that a test moves. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '@agent-lightning/platform';
import { openFleet } from '../../src/vllm/open-fleet.ts';
import type { AdapterFiles, VllmFleet } from '../../src/vllm/vllm-fleet.ts';
import { resolveVllm, type VllmOptions } from '../../src/vllm/vllm-options.ts';
import { startFakeVllm, type FakeVllm, type FakeVllmOptions } from '../fakes/fake-vllm.ts';

/** Waits pass at once; idle ones, of watchers, when the test says so. */
export class TestClock implements Clock {
  #now = 0;
  #idle: (() => void)[] = [];

  now(): number {
    return this.#now;
  }

  wait(ms: number, signal: AbortSignal, idle = false): Promise<void> {
    if (!idle) {
      this.#now += ms;
      return new Promise((resolve) => setImmediate(resolve));
    }
    return new Promise((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
      this.#idle.push(resolve);
    });
  }

  /** Every watcher looks once. */
  tick(): void {
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}

export interface FleetHarness {
  readonly fleet: VllmFleet;
  readonly clock: TestClock;
  readonly servers: readonly FakeVllm[];
  readonly log: string[];
  /** Versions whose files are no longer needed. */
  readonly discarded: string[];
  /** An adapter directory on disk, ready to publish. */
  files(policy: string, version: number, rank?: number): Promise<AdapterFiles>;
}

const running: (() => Promise<void>)[] = [];

/** Stops what the tests of one file started. */
export async function stopAll(): Promise<void> {
  for (const stop of running.splice(0).toReversed()) await stop();
}

export const model = {
  directory: '/models/tiny',
  loraRank: 8,
  contextLength: 4096,
  toolCallFormat: undefined,
  dtype: undefined,
} as const;

export async function startServers(count: number, options: FakeVllmOptions = {}): Promise<readonly FakeVllm[]> {
  const servers = await Promise.all(Array.from({ length: count }, () => startFakeVllm(options)));
  running.push(async () => {
    await Promise.all(servers.map((server) => server.close()));
  });
  return servers;
}

export async function startFleet(
  servers: readonly FakeVllm[],
  options: Partial<VllmOptions> = {},
): Promise<FleetHarness> {
  const root = await mkdtemp(join(tmpdir(), 'adapters-'));
  const clock = new TestClock();
  const log: string[] = [];
  const keep = (message: string): void => void log.push(message);
  const stop = new AbortController();
  const fleet = await openFleet({
    options: resolveVllm({ url: servers.map(({ url }) => url), ...options }, {}),
    model,
    clock,
    logger: { info: keep, warn: keep, error: keep },
    fetch,
    signal: stop.signal,
  });
  running.push(async () => {
    stop.abort();
    await rm(root, { recursive: true });
  });
  const discarded: string[] = [];
  return {
    fleet,
    clock,
    servers,
    log,
    discarded,
    async files(policy, version, rank = 8) {
      const directory = join(root, `${policy}-${version}`);
      await mkdir(directory, { recursive: true });
      await writeFile(join(directory, 'adapter_config.json'), JSON.stringify({ r: rank }));
      await writeFile(join(directory, 'adapter_model.safetensors'), '');
      return { policy, version, directory, discard: async () => void discarded.push(`${policy} v${version}`) };
    },
  };
}

/** Waits for something that a server brings about; the test's own time limit ends a wait in vain. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}
