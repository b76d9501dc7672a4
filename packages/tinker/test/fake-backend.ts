import { type TrainingBackend, type TrainingSample, backendChecks } from '@agent-lightning/core';
import { connect } from '../src/connection.ts';
import { resolveLora } from '../src/lora-options.ts';
import { TinkerBackend } from '../src/tinker-backend.ts';
import type { ServerKind } from '../src/server-kinds.ts';
import { startFakeTinker, type FakeTinker, type FakeTinkerOptions } from './fakes/fake-tinker.ts';
import { ManualClock } from './manual-clock.ts';

export interface FakeSetup {
  readonly server: FakeTinker;
  readonly backend: TrainingBackend;
  readonly clock: ManualClock;
  /** What was logged, one line each. */
  readonly log: readonly string[];
  close(): Promise<void>;
}

export interface FakeSetupOptions extends Partial<FakeTinkerOptions> {
  readonly retryForMs?: number;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** A server that is already there, which {@link FakeSetup.close} leaves open. */
  readonly server?: FakeTinker;
}

/** A backend on a fake server, whose waits take no time. */
export async function openFake(
  serverKind: ServerKind,
  tokenizer: string,
  options: FakeSetupOptions = {},
): Promise<FakeSetup> {
  const { retryForMs = 60_000, timeoutMs = 3_600_000, signal, server: given, ...rest } = options;
  const fixedAdam = serverKind === 'skyrl' ? backendChecks.adamDefaults : {};
  const server = given ?? (await startFakeTinker({ serverKind, fixedAdam, ...rest }));
  const clock = new ManualClock();
  const log: string[] = [];
  const write = (line: string): void => void log.push(line);
  const logger = { info: write, warn: write, error: write };
  const backend = new TinkerBackend({
    name: 'tinker',
    open: () =>
      connect({
        http: { url: server.url, apiKey: server.apiKey, fetch: globalThis.fetch },
        serverKind,
        model: server.modelName,
        tokenizer,
        contextLength: serverKind === 'skyrl' ? 96 : undefined,
        timeoutMs,
        retryForMs,
        logger,
        signal,
        clock,
      }),
    lora: resolveLora({}, serverKind, 'tinker'),
    serverAdam: fixedAdam,
    logger,
  });
  return {
    server,
    backend,
    clock,
    log,
    async close() {
      server.failWith(undefined);
      await backend.close();
      if (given === undefined) await server.close();
    },
  };
}

/** A sample whose every token but the first is trained. */
export function sampleOf(...tokens: readonly number[]): TrainingSample {
  return {
    tokens: Int32Array.from(tokens),
    lossMask: Uint8Array.from(tokens, (_, t) => (t === 0 ? 0 : 1)),
    logprobs: Float32Array.from(tokens, (_, t) => (t === 0 ? 0 : -5)),
    advantages: Float32Array.from(tokens, (_, t) => (t === 0 ? 0 : 1)),
  };
}

/** The same for tests that only look at the server's weights. */
export const someSamples: readonly TrainingSample[] = [sampleOf(1, 2, 3, 4), sampleOf(5, 6, 7)];
