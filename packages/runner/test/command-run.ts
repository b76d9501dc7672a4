import { execFileSync } from 'node:child_process';
import { MemoryStore } from '@agent-lightning/store';
import { runCommand, Runner, type RolloutFunction, type RunCommandOptions, type RunnerOptions } from '../src/index.ts';
import type { JsonValue, LlmEndpoint, ModelGateway, Rollout, Span } from '@agent-lightning/core';

export const endpoint: LlmEndpoint = {
  baseUrl: 'http://127.0.0.1:9/rollout/r/attempt/a/v1',
  apiKey: 'al-canary-0123456789abcdef0123456789abcdef',
  model: 'policy',
  sampling: {},
};

const gateway: ModelGateway = { openAttempt: async () => endpoint, closeAttempt: async () => undefined };

export interface CommandRun {
  readonly rollout: Rollout;
  readonly spans: readonly Span[];
  readonly errors: readonly unknown[];
}

/** A Node program as the command. */
export function node(script: string, options: Partial<RunCommandOptions> = {}): RunCommandOptions {
  return { command: process.execPath, args: ['-e', script], ...options };
}

/** Runs one rollout of a command in a real runner, and reads back what the store has of it. */
export function runOneCommand(
  options: RunCommandOptions,
  input: JsonValue = null,
  runner: Partial<RunnerOptions<JsonValue>> = {},
): Promise<CommandRun> {
  return runOne(runCommand(options), input, runner);
}

/** Runs one rollout in a real runner, and reads back what the store has of it. */
export async function runOne(
  rollout: RolloutFunction,
  input: JsonValue,
  runner: Partial<RunnerOptions<JsonValue>>,
): Promise<CommandRun> {
  const store = new MemoryStore();
  const errors: unknown[] = [];
  const onError = (error: unknown): void => void errors.push(error);
  const worker = new Runner({ store, rollout, gateway, onError, ...runner });
  const [queued] = await store.enqueue([{ input }]);
  const running = worker.run();
  const [ended] = await store.waitFor([queued!.rolloutId]);
  await worker.stop();
  await running;
  const spans = await store.querySpans({ rolloutIds: [queued!.rolloutId] });
  await store.close();
  return { rollout: ended!, spans, errors };
}

/** Whether a process runs; one that ended and was not yet collected does not. */
export function isAlive(pid: number): boolean {
  try {
    return !execFileSync('ps', ['-o', 'stat=', '-p', String(pid)])
      .toString()
      .startsWith('Z');
  } catch {
    return false; // ps found none
  }
}
