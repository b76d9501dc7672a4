/** Two real replicas of vLLM on the CPU that somebody else starts, here the test: `npm run test:vllm`. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TrainingBackend } from '@agent-lightning/core';
import { gpu } from '@agent-lightning/gpu';
import { guardTree, signalTree } from '@agent-lightning/platform';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { grpo, Trainer } from '../../src/index.ts';
import { serveArguments, serveEnvironment } from '../../../gpu/src/vllm/serve-arguments.ts';
import { resolveVllm, type ResolvedStart } from '../../../gpu/src/vllm/vllm-options.ts';
import { freePort } from '../../../gpu/src/vllm/vllm-process.ts';
import { askLetter, letterTasks, type LetterTask } from '../letter-task.ts';
import { readMetrics, recordingLogger } from '../run-folder.ts';
import {
  callServer,
  gpuMemoryUtilization,
  isMissing,
  listAdapters,
  model,
  needs,
  program,
  smallCache,
  waitPatiently,
} from './real-vllm.ts';

const apiKey = 'key-of-the-replicas';
const options = resolveVllm({ command: [program], gpuMemoryUtilization, env: smallCache }) as ResolvedStart;
const served = { directory: model, loraRank: 8, contextLength: 192, toolCallFormat: 'hermes' } as const;

/** A `vllm serve` with the flags of docs/vllm.md, on a port that stays the same. */
class Replica {
  readonly port: number;
  readonly #log: number;
  #child: ChildProcess | undefined;
  #release: (() => void) | undefined;

  constructor(port: number, folder: string) {
    this.port = port;
    this.#log = openSync(join(folder, `${port}.log`), 'a');
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  start(dtype: string): void {
    this.#child = spawn(program, serveArguments(options, { ...served, dtype }, this.port), {
      env: { ...process.env, ...serveEnvironment(options, apiKey) },
      stdio: ['ignore', this.#log, this.#log],
      detached: true,
    });
    this.#release = guardTree(this.#child);
  }

  async kill(): Promise<void> {
    const ended = once(this.#child!, 'exit');
    signalTree(this.#child!, 'SIGKILL');
    await ended;
    this.#release?.();
  }
}

let folder: string;
let replicas: readonly Replica[];
beforeAll(async () => {
  waitPatiently();
  folder = await mkdtemp(join(tmpdir(), 'replicas-'));
  replicas = [new Replica(await freePort(), folder), new Replica(await freePort(), folder)];
  if (!isMissing) for (const replica of replicas) replica.start('float32');
});
afterAll(async () => {
  if (!isMissing) await Promise.all(replicas.map((replica) => replica.kill()));
  await rm(folder, { recursive: true, force: true });
});

const logger = recordingLogger();
const attach = (urls: readonly string[]): TrainingBackend =>
  gpu({
    model,
    device: 'cpu',
    lora: { rank: 8 },
    stateDirectory: join(folder, 'states'),
    vllm: { url: urls, apiKey, awayTimeoutMs: 900_000 },
    logger,
  });
const serverOf = ({ url }: Replica): { baseUrl: string; apiKey: string } => ({ baseUrl: `${url}/v1`, apiKey });

/** Counts the chats that a server answered since it started. */
async function countChats({ url }: Replica): Promise<number> {
  const { text } = await callServer({ baseUrl: url }, '/metrics');
  const line = /^http_requests_total\{handler="\/v1\/chat\/completions",method="POST",status="2xx"\} (\S+)$/m;
  return Number(line.exec(text)?.[1] ?? 0);
}

describe(`two real replicas (${needs})`, { skip: isMissing }, () => {
  it('answer with every version, and a run loses no rollout when one of them is killed and started again', async () => {
    const backend = attach(replicas.map(({ url }) => url));
    let killing: Promise<void> | undefined;
    const trainer = new Trainer<LetterTask>({
      rollout: async (task, context) => {
        if (context.rollout.rolloutId.includes('.s2.'))
          await (killing ??= replicas[0]!.kill().then(() => replicas[0]!.start('float32')));
        return (await askLetter(task, context)).length % 2;
      },
      backend,
      algorithm: grpo({ groupSize: 8, tasksPerStep: 4, learningRate: 2e-3, maxTokens: 4 }),
      runDirectory: join(folder, 'run'),
      progress: 'none',
      handleSignals: false,
      logger,
    });
    const result = await trainer.fit({ train: letterTasks, steps: 4 });
    expect(result, logger.lines.join('\n')).toMatchObject({ stopReason: 'completed', steps: 4, rollouts: 128 });
    for (const { failed, untrainableCalls, optimizerSteps, klSamplerTrainer } of await readMetrics(
      join(folder, 'run'),
    )) {
      expect([failed, untrainableCalls], logger.lines.join('\n')).toEqual([0, 0]);
      if (optimizerSteps > 0) expect(klSamplerTrainer).toBeLessThan(1e-9);
    }
    const counts = await Promise.all(replicas.map(countChats));
    for (const count of counts) expect(count, counts.join(' and ')).toBeGreaterThan(0);
    const [first, second] = await Promise.all(replicas.map(async (replica) => listAdapters(serverOf(replica))));
    expect(first!.toSorted()).toEqual(second!.toSorted());
    expect(first).toHaveLength(2);
    await backend.close();
    for (const replica of replicas) expect(await listAdapters(serverOf(replica))).toEqual([]);
    expect(logger.lines).not.toContainEqual(expect.stringContaining("differ from the worker's"));
  }, 1_800_000);

  it('are told apart from the worker when one computes in another precision', async () => {
    await replicas[1]!.kill();
    replicas[1]!.start('bfloat16');
    const backend = attach(replicas.map(({ url }) => url));
    await backend.capabilities();
    await backend.close();
    expect(logger.lines.filter((line) => line.includes("differ from the worker's"))).toEqual([
      expect.stringMatching(new RegExp(`^warning: vLLM at ${replicas[1]!.url}: .* start vLLM with --dtype float32`)),
    ]);
  }, 900_000);
});
