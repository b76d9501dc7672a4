import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { attributeNames, toEpisode, type JsonValue } from '@agent-lightning/core';
import { runContainer, type RunContainerOptions, type RunnerOptions } from '../src/index.ts';
import { holdTimers } from '../../gateway/test/held-timers.ts';
import { endpoint, runOne, type CommandRun } from './command-run.ts';
import { answers, createNodeImage, findBridge, image, listContainers, type EngineName } from './container-engine.ts';

for (const engine of ['docker', 'podman'] satisfies EngineName[])
  describe.skipIf(!answers(engine))(`a container of ${engine} (needs ${engine} on Linux)`, () =>
    testContainers(engine),
  );

function testContainers(engine: EngineName): void {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'run-container-'));
    await createNodeImage(engine);
  });
  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
    await rm('oom', { force: true }); // Podman leaves it where it ran when a container took too much memory
  });

  function run(
    script: string,
    options: Partial<RunContainerOptions> = {},
    input: JsonValue = null,
    runner: Partial<RunnerOptions<JsonValue>> = {},
  ): Promise<CommandRun> {
    return runOne(runContainer({ engine, image, args: ['-e', script], network: 'host', ...options }), input, runner);
  }

  function containersOf({ rollout }: CommandRun): readonly string[] {
    return listContainers(engine, `agent-lightning.rollout=${rollout.rolloutId}`);
  }

  const callAndEarn = `process.stdin.once('data', async (task) => {
    const { OPENAI_BASE_URL, OPENAI_API_KEY, AGENT_LIGHTNING_MODEL } = process.env;
    const headers = { authorization: 'Bearer ' + OPENAI_API_KEY, connection: 'close' };
    const response = await fetch(OPENAI_BASE_URL + '/models', { headers });
    console.log(AGENT_LIGHTNING_MODEL, OPENAI_API_KEY, (await response.json()).url);
    console.log(JSON.stringify({ reward: JSON.parse(task).worth }));
  })`;

  /** Runs a container that calls an endpoint whose server listens at an address and which is told as one of loopback. */
  async function runWithServer(address: string, options: RunContainerOptions): Promise<CommandRun> {
    const seen: IncomingHttpHeaders[] = [];
    await using server = createServer(({ headers, url }, response) => {
      seen.push(headers);
      response.end(JSON.stringify({ url }));
    });
    server.listen(0, address);
    await once(server, 'listening');
    const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/rollout/r/v1`;
    const gateway = { openAttempt: async () => ({ ...endpoint, baseUrl }), closeAttempt: async () => undefined };
    const result = await runOne(runContainer(options), { worth: 0.25 }, { gateway });
    expect(result.rollout.failure).toBeUndefined();
    expect(seen.map(({ authorization }) => authorization)).toEqual([`Bearer ${endpoint.apiKey}`]);
    return result;
  }

  it('reads its task, calls its endpoint with its key, and prints its reward', async () => {
    const result = await runWithServer('127.0.0.1', { engine, image, args: ['-e', callAndEarn], network: 'host' });
    expect(toEpisode(result.rollout, result.spans).reward).toBe(0.25);
    expect(result.spans[0]!.attributes[attributeNames.commandStdout]).toMatch(
      /^policy \[key of the attempt\] \/rollout\/r\/v1\/models\n/,
    );
    expect(containersOf(result)).toEqual([]);
  });

  it('reaches this machine from the engine’s own network, where there is one', async ({ skip }) => {
    const bridge = findBridge(engine);
    skip(bridge === undefined, 'the engine has no network of its own');
    const { rollout, spans } = await runWithServer(bridge!, { engine, image, args: ['-e', callAndEarn] });
    expect(toEpisode(rollout, spans).reward).toBe(0.25);
  });

  it('has an environment and rights of its own', async () => {
    vi.stubEnv('OWN_SECRET', 'canary');
    vi.stubEnv('NO_PROXY', 'canary.example');
    const script = `const { readFileSync } = require('node:fs');
      console.log(JSON.stringify(process.env)); console.log(readFileSync('/proc/self/status', 'utf8'));`;
    const env = { PATH: '/of/the/container', MANY: 'lines\nof text', DOCKER_HOST: 'tcp://inside' };
    const { rollout, spans } = await run(script, { env, reward: 'exit-code', cpus: 0.5, pids: 64 });
    vi.unstubAllEnvs();
    expect(toEpisode(rollout, spans).reward).toBe(1);
    const output = String(spans[0]!.attributes[attributeNames.commandStdout]);
    const seen = JSON.parse(output.split('\n')[0]!) as Record<string, string>;
    expect(seen).toMatchObject({
      ...env,
      AGENT_LIGHTNING_ROLLOUT_ID: rollout.rolloutId,
      OPENAI_BASE_URL: endpoint.baseUrl,
    });
    expect(output).not.toContain('canary');
    expect(output).toMatch(/^CapEff:\t0+$/m);
    expect(output).toMatch(/^NoNewPrivs:\t1$/m);
  });

  it('ends with exit code 137 when it takes more memory than it may', async () => {
    const script = 'const all = []; for (;;) all.push(Buffer.alloc(1 << 22, 1));';
    const { rollout } = await run(script, { memory: '128m' });
    expect(rollout.failure).toMatchObject({
      code: 'command-failed',
      message: expect.stringContaining('exit code 137'),
    });
  });

  it('keeps its exit code and its last words', async () => {
    const { rollout } = await run('console.error("no table"); process.exit(125)');
    expect(rollout.failure!.message).toMatch(
      /^runContainer: agent-lightning-test-node:1 ended with exit code 125.*no table/,
    );
  });

  it('is an error of its own where the engine cannot start it', async () => {
    const missing = await run('', { image: 'agent-lightning/not-there:1', engineArgs: ['--pull', 'never'] });
    const program = await run('', { engineArgs: ['--entrypoint', '/not-there'] });
    const engine = await run('', { engine: '/not/there/docker' });
    for (const { rollout } of [missing, program, engine]) expect(rollout.failure?.code).toBe('command-unavailable');
    expect(missing.rollout.failure!.message).toContain('agent-lightning/not-there:1');
    expect(program.rollout.failure!.message).toMatch(/\/not-there|failed to exec/);
    expect(engine.rollout.failure!.message).toContain('"/not/there/docker" was not found');
  });

  it('is ended and removed when its time is over, though it ignores SIGTERM', async () => {
    const limitMs = 54_321;
    const timedOut = await runUntil('own', limitMs, { timeoutMs: limitMs }, {});
    const ofAttempt = await runUntil('attempt', limitMs, {}, { attemptTimeoutMs: limitMs });
    for (const result of [timedOut, ofAttempt]) {
      expect(result.rollout.failure).toMatchObject({ code: 'timed-out' });
      const span = result.spans.find(({ kind }) => kind === 'operation')!;
      expect(span.attributes[attributeNames.commandStdout]).toBe('runs\n');
      await vi.waitFor(() => expect(containersOf(result)).toEqual([]), { timeout: 60_000 });
    }
  });

  it('that minds SIGTERM says goodbye when its time is over', async () => {
    const limitMs = 54_321;
    const options = { timeoutMs: limitMs, killGraceMs: 240_000 };
    const result = await runUntil('polite', limitMs, options, {}, 'console.log("bye"); process.exit()');
    const span = result.spans.find(({ kind }) => kind === 'operation')!;
    expect(span.attributes[attributeNames.commandStdout]).toBe('runs\nbye\n');
    await vi.waitFor(() => expect(containersOf(result)).toEqual([]), { timeout: 60_000 });
  });

  /** Runs a container whose time is over once it has written a file, and which does `onTerm` when it is asked to end. */
  async function runUntil(
    name: string,
    limitMs: number,
    options: Partial<RunContainerOptions>,
    runner: Partial<RunnerOptions<JsonValue>>,
    onTerm = '',
  ): Promise<CommandRun> {
    using time = holdTimers(limitMs);
    // The task arrives when the engine passes on what is written and signalled, which is a moment after the start.
    const script = `process.on('SIGTERM', () => { ${onTerm} }); setInterval(() => undefined, 1000);
      const ready = () => require('node:fs').writeFileSync('/ready/${name}', '');
      process.stdin.once('data', () => process.stdout.write('runs\\n', ready));`;
    const engineArgs = ['--volume', `${folder}:/ready`];
    const running = run(script, { engineArgs, killGraceMs: 50, ...options }, null, runner);
    await vi.waitUntil(() => existsSync(join(folder, name)), { timeout: 60_000 });
    time.end();
    return await running;
  }

  it('that a killed process left is removed by the next one, and that of a living one is not', async () => {
    const names = [0, 1].map(() => `left-${randomBytes(6).toString('hex')}`);
    const [killed, living] = [await startOutliving(names[0]!), await startOutliving(names[1]!)];
    const count = (): readonly number[] =>
      names.map((name) => listContainers(engine, `agent-lightning.rollout=${name}`).length);
    killed.kill('SIGKILL');
    await once(killed, 'exit');
    expect(count()).toEqual([1, 1]);
    await run('console.log(\'{"reward":1}\')');
    expect(count()).toEqual([0, 1]);
    living.kill('SIGKILL');
    await once(living, 'exit');
    await run('console.log(\'{"reward":1}\')');
    expect(count()).toEqual([0, 0]);
  });

  /** Starts a process with a container that has begun to run. */
  async function startOutliving(rolloutId: string): Promise<ChildProcess> {
    const child = spawn(
      process.execPath,
      ['--conditions=@agent-lightning/source', join(import.meta.dirname, 'outliving-container.ts')],
      { env: { ...process.env, ENGINE: engine, READY_FOLDER: folder, ROLLOUT_ID: rolloutId }, stdio: 'ignore' },
    );
    const file = join(folder, 'orphan');
    await vi.waitUntil(() => existsSync(file), { timeout: 60_000 });
    await rm(file);
    return child;
  }
}
