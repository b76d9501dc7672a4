import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock, type Clock } from '@agent-lightning/platform';
import { openFleet } from '../../src/vllm/open-fleet.ts';
import type { VllmFleet } from '../../src/vllm/vllm-fleet.ts';
import { resolveVllm, type VllmStartOptions } from '../../src/vllm/vllm-options.ts';
import { TestClock, until } from './fleet-harness.ts';
import { isAlive } from '../../../platform/test/is-alive.ts';

const program = fileURLToPath(new URL('vllm-command.ts', import.meta.url));
const command = [process.execPath, '--conditions=@agent-lightning/source', program];

interface Start {
  readonly args: readonly string[];
  readonly pid: number;
  readonly apiKey: string;
  readonly updating: string;
}

let directory: string;
let stop: AbortController;
let fleet: VllmFleet | undefined;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'vllm-'));
  stop = new AbortController();
});
afterEach(async () => {
  stop.abort();
  await fleet?.close();
  fleet = undefined;
  await rm(directory, { recursive: true });
});

/** Tells whether Node has collected a child that ended: it has then told its end, too. */
function isCollected(pid: number): boolean {
  try {
    return !process.kill(pid, 0);
  } catch {
    return true;
  }
}

const startsFile = (): string => join(directory, 'starts');
const starts = async (): Promise<Start[]> =>
  (await readFile(startsFile(), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Start);
const open = async (
  options: VllmStartOptions = {},
  log: string[] = [],
  clock: Clock = systemClock,
): Promise<VllmFleet> => {
  const keep = (message: string): void => void log.push(message);
  fleet = await openFleet({
    options: resolveVllm({ command, ...options, env: { STARTS_FILE: startsFile(), ...options.env } }),
    model: { directory: '/models/tiny', loraRank: 20, contextLength: 2048, toolCallFormat: 'hermes', dtype: 'float32' },
    clock,
    logger: { info: keep, warn: keep, error: keep },
    fetch,
    signal: stop.signal,
  });
  return fleet;
};
const publish = async (version: number): ReturnType<VllmFleet['publish']> => {
  const adapter = join(directory, String(version));
  await mkdir(adapter);
  await writeFile(join(adapter, 'adapter_config.json'), '{"r": 20}');
  await writeFile(join(adapter, 'adapter_model.safetensors'), '');
  return (await opened()).publish({ policy: 'a', version, directory: adapter, discard: async () => undefined });
};
const opened = async (): Promise<VllmFleet> => fleet ?? (await open());

describe('vllm serve', () => {
  it('is started as training needs it, with its key out of sight, and ended with the fleet', async () => {
    await open({ args: ['--tensor-parallel-size', '2'], gpuMemoryUtilization: 0.3 });
    expect(await publish(1)).toMatchObject({ baseUrl: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/v1$/) });
    const [start] = await starts();
    const port = start?.args[start.args.indexOf('--port') + 1] ?? '';
    const flags =
      `--enable-lora --disable-uvicorn-access-log --host 127.0.0.1 --port ${port} --max-loras 4 --max-cpu-loras 4 --max-lora-rank 32` +
      ' --logprobs-mode processed_logprobs --generation-config vllm --gpu-memory-utilization 0.3 --max-model-len 2048 --dtype float32' +
      ' --tool-call-parser hermes --enable-auto-tool-choice --tensor-parallel-size 2';
    expect(start?.args).toEqual(['serve', '/models/tiny', ...flags.split(' ')]);
    expect(start?.updating).toBe('True');
    expect(start?.apiKey).toMatch(/^[\w-]{32}$/);
    expect((await fetch(`http://127.0.0.1:${port}/v1/models`)).status).toBe(401);
    await fleet?.close();
    expect(isAlive(start!.pid)).toBe(false);
  });

  it('is started again when it dies, with the adapters that it had', async () => {
    await open();
    await publish(1);
    const [first] = await starts();
    process.kill(first!.pid, 'SIGKILL');
    expect(await publish(2)).toMatchObject({ version: 2 });
    const [, second] = await starts();
    expect(second?.args).toEqual(first?.args);
    const port = second?.args[second.args.indexOf('--port') + 1];
    const models = await fetch(`http://127.0.0.1:${port}/v1/models`, {
      headers: { authorization: `Bearer ${second?.apiKey}` },
    });
    const { data } = (await models.json()) as { data: { id: string }[] };
    expect(data.map(({ id }) => id.replace(/^agl-\w+-/, '')).toSorted()).toEqual(['a-v1', 'a-v2', 'base-model']);
  });

  it('gets as long for a later start as for its first, however little a server may be away', async () => {
    await open({ awayTimeoutMs: 250, startTimeoutMs: 2 ** 31 - 1 }, [], new TestClock()); // whose time runs with the checks
    await publish(1);
    const [first] = await starts();
    process.kill(first!.pid, 'SIGKILL');
    await until(() => isCollected(first!.pid)); // before, a few checks would use up the time
    expect(await publish(2)).toMatchObject({ version: 2 });
    expect(await starts()).toHaveLength(2);
  });

  it('that ends while it starts is not started again, and says why', async () => {
    await expect(open({ env: { FAILS: 'at-start' } })).rejects.toMatchObject({
      code: 'backend-failed',
      message: expect.stringMatching(
        /exit code 3\. Its last errors:\ntorch\.OutOfMemoryError: CUDA out of memory\nIt printed last:\nINFO loading weights/,
      ),
    });
    expect(await starts()).toHaveLength(1);
  });

  it('that is not installed is named with what to do', async () => {
    await expect(open({ command: ['vllm-that-is-not-there'] })).rejects.toMatchObject({
      code: 'command-unavailable',
      message: expect.stringContaining('pip install vllm'),
    });
  });
});
