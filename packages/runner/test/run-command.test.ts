import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { attributeNames, readReward, toEpisode, type ModelGateway } from '@agent-lightning/core';
import { MemoryStore } from '@agent-lightning/store';
import { runCommand, Runner, type RunCommandOptions } from '../src/index.ts';
import { holdTimers } from '../../gateway/test/held-timers.ts';
import { endpoint, isAlive, node, runOneCommand, type CommandRun } from './command-run.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'run-command-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const rewardOne = 'console.log(\'{"reward":1}\')';
const printEnvironment = 'console.log(JSON.stringify(process.env)); console.log(\'{"reward":1}\')';

describe('the names of models that a command’s agents have in their code', () => {
  const answersTo = ['gpt-4o-mini', /./];
  const closeAttempt = async (): Promise<void> => undefined;

  it('are told to the gateway of the attempt before it starts', async () => {
    const told: unknown[] = [];
    const gateway: ModelGateway = {
      openAttempt: async () => endpoint,
      answerTo: async ({ attempt }, names) => void told.push([attempt.attemptNumber, names]),
      closeAttempt,
    };
    const { rollout } = await runOneCommand(node(rewardOne, { answersTo }), null, { gateway });
    expect([rollout.status, told]).toEqual(['succeeded', [[1, answersTo]]]);
  });

  it('need a gateway that can answer to them, and no policy needs none', async () => {
    const gateway: ModelGateway = { openAttempt: async () => endpoint, closeAttempt };
    const { rollout } = await runOneCommand(node(rewardOne, { answersTo }), null, { gateway });
    expect(rollout.failure).toMatchObject({
      code: 'option-unsupported',
      message: expect.stringContaining('answersTo needs a gateway'),
    });
    expect(() => runCommand({ command: 'x', answersTo: ['gpt-.*'] })).toThrow(/runCommand: answersTo\[0\] "gpt-\.\*"/);
    const store = new MemoryStore();
    const worker = new Runner({ store, rollout: runCommand(node(rewardOne, { answersTo })) });
    const [queued] = await store.enqueue([{ input: null }]);
    const running = worker.run();
    expect(await store.waitFor([queued!.rolloutId])).toMatchObject([{ status: 'succeeded' }]);
    await worker.stop();
    await running;
    await store.close();
  });
});

describe('what a command gets', () => {
  it('is its task as JSON on standard input', async () => {
    const script =
      'process.stdin.once("data", (text) => console.log(JSON.stringify({ reward: JSON.parse(text).worth })))';
    const { rollout, spans } = await runOneCommand(node(script), { worth: 0.25, text: 'ä\n"' });
    expect(rollout.status).toBe('succeeded');
    expect(toEpisode(rollout, spans).reward).toBe(0.25);
  });

  it('is its task in the environment, when asked for', async () => {
    const script = 'console.log(JSON.stringify({ reward: JSON.parse(process.env.AGENT_LIGHTNING_TASK).worth }))';
    const { rollout, spans } = await runOneCommand(node(script, { taskIn: 'environment' }), { worth: 0.5 });
    expect(toEpisode(rollout, spans).reward).toBe(0.5);
  });

  it('says when a task is too long for the environment', async () => {
    const { rollout } = await runOneCommand(node('', { taskIn: 'environment' }), 'x'.repeat(200_000));
    expect(rollout.failure).toMatchObject({
      code: 'option-invalid',
      message: expect.stringContaining("taskIn: 'stdin'"),
    });
  });

  it('is the endpoint of its attempt, its ids, and the user’s own variables over everything', async () => {
    let seen: Record<string, string> = {};
    vi.stubEnv('ANTHROPIC_AUTH_TOKEN', 'own-token');
    vi.stubEnv('NO_PROXY', '');
    vi.stubEnv('no_proxy', 'own.example');
    const { rollout, spans } = await runOneCommand(
      node(printEnvironment, {
        env: (task) => ({ TASK: String(task), HOME: undefined, AGENT_LIGHTNING_MODE: 'mine' }),
        reward: ({ stdout }) => {
          seen = JSON.parse(stdout.split('\n')[0]!) as Record<string, string>;
          return 1;
        },
      }),
      'seven',
    );
    vi.unstubAllEnvs();
    expect(rollout.status).toBe('succeeded');
    expect(seen).not.toHaveProperty('ANTHROPIC_AUTH_TOKEN');
    expect(seen).toMatchObject({
      OPENAI_BASE_URL: endpoint.baseUrl,
      OPENAI_API_KEY: '[key of the attempt]',
      ANTHROPIC_BASE_URL: endpoint.baseUrl.replace(/\/v1$/, ''),
      ANTHROPIC_API_KEY: '[key of the attempt]',
      OPENAI_API_BASE: endpoint.baseUrl,
      ANTHROPIC_API_BASE: endpoint.baseUrl.replace(/\/v1$/, ''),
      ANTHROPIC_API_URL: endpoint.baseUrl.replace(/\/v1$/, ''),
      AGL_OPENAI_BASE_URL: endpoint.baseUrl,
      AGL_KEY: '[key of the attempt]',
      OPENAI_AGENTS_DISABLE_TRACING: '1',
      CREWAI_DISABLE_TELEMETRY: 'true',
      CREWAI_TRACING_ENABLED: 'false',
      AGENT_LIGHTNING_MODEL: 'policy',
      AGENT_LIGHTNING_ROLLOUT_ID: rollout.rolloutId,
      AGENT_LIGHTNING_ATTEMPT_ID: spans[0]!.attemptId,
      AGENT_LIGHTNING_ATTEMPT_NUMBER: '1',
      AGENT_LIGHTNING_MODE: 'mine',
      TASK: 'seven',
      PATH: process.env['PATH'],
      NO_PROXY: 'own.example,127.0.0.1',
      no_proxy: 'own.example,127.0.0.1',
      TRACEPARENT: `00-${spans[0]!.traceId}-${spans[0]!.spanId}-01`,
    });
    expect(seen).not.toHaveProperty('HOME');
  });

  it('is of this process only what programs need to run, unless more is asked for', async () => {
    const secrets = [
      'AGENT_LIGHTNING_WORKER_KEY',
      'TINKER_API_KEY',
      'GATEWAY_ADMIN_KEY',
      'DATABASE_URL',
      'PGPASSWORD',
      'HF_TOKEN',
      'AWS_SECRET_ACCESS_KEY',
      'ANTHROPIC_API_KEY',
      'NPM_TOKEN',
      'SSH_AUTH_SOCK',
      'NODE_OPTIONS',
    ];
    for (const name of secrets) vi.stubEnv(name, 'canary');
    vi.stubEnv('HTTPS_PROXY', 'http://user:canary@proxy:1');
    vi.stubEnv('HTTP_PROXY', 'http://proxy:1');
    vi.stubEnv('LC_ALL', 'C');
    vi.stubEnv('OF_MY_OWN', 'wanted');
    let seen: Record<string, string> = {};
    const reward: RunCommandOptions['reward'] = ({ stdout }) => {
      seen = JSON.parse(stdout.split('\n')[0]!) as Record<string, string>;
      return 1;
    };
    const { spans } = await runOneCommand(node(printEnvironment, { reward, maxOutputBytes: 1_000_000 }));
    expect(seen).toMatchObject({ PATH: process.env['PATH'], LC_ALL: 'C', HTTP_PROXY: 'http://proxy:1' });
    expect(JSON.stringify([seen, spans])).not.toContain('canary');
    expect(seen).not.toHaveProperty('OF_MY_OWN');
    const some = ['OF_MY_OWN', 'TINKER_API_KEY'];
    await runOneCommand(node(printEnvironment, { reward, inheritEnv: some, maxOutputBytes: 1_000_000 }));
    expect(seen).toMatchObject({ PATH: process.env['PATH'], OF_MY_OWN: 'wanted', TINKER_API_KEY: 'canary' });
    expect(seen).not.toHaveProperty('DATABASE_URL');
    vi.stubEnv('NODE_OPTIONS', '');
    await runOneCommand(node(printEnvironment, { reward, inheritEnv: true, maxOutputBytes: 1_000_000 }));
    expect(seen).toMatchObject({ OF_MY_OWN: 'wanted', DATABASE_URL: 'canary' });
    vi.unstubAllEnvs();
  });

  it.each(['stdin', 'environment'] as const)(
    'is of its task what taskForAgent leaves, and the reward sees it whole: %s',
    async (taskIn) => {
      const script = `const print = (text) => console.log(String(text)); ${taskIn === 'stdin' ? 'process.stdin.once("data", print)' : 'print(process.env.AGENT_LIGHTNING_TASK)'}`;
      let heard = '';
      const { rollout, spans } = await runOneCommand(
        node(script, {
          taskIn,
          taskForAgent: ({ question }: { question: string }) => ({ question }),
          reward: ({ task, stdout }: { task: { answer: number }; stdout: string }) => {
            heard = stdout;
            return task.answer;
          },
        } as unknown as Partial<RunCommandOptions>),
        { question: 'how many?', answer: 0.75 },
      );
      expect(toEpisode(rollout, spans).reward).toBe(0.75);
      expect(JSON.parse(heard)).toEqual({ question: 'how many?' });
    },
  );

  it('is nothing of this process, when so asked', async () => {
    vi.stubEnv('OWN_SECRET', 'canary');
    vi.stubEnv('NO_PROXY', 'own.example');
    const { spans } = await runOneCommand(node(printEnvironment, { inheritEnv: false }));
    vi.unstubAllEnvs();
    expect(spans[0]!.attributes[attributeNames.commandStdout]).toContain('OPENAI_BASE_URL');
    expect(spans[0]!.attributes[attributeNames.commandStdout]).toContain('"NO_PROXY":"127.0.0.1"');
    expect(JSON.stringify(spans)).not.toContain('OWN_SECRET');
  });

  it('is no endpoint in a run without a policy', async () => {
    vi.stubEnv('OPENAI_BASE_URL', 'http://own/v1');
    const { spans } = await runOneCommand(node(printEnvironment), null, { gateway: undefined as never });
    vi.unstubAllEnvs();
    const output = String(spans[0]!.attributes[attributeNames.commandStdout]);
    expect(output).toContain('"OPENAI_BASE_URL":"http://own/v1"');
    expect(output).not.toContain('AGENT_LIGHTNING_MODEL');
  });

  it('is arguments of its own for each task, and a working directory', async () => {
    const { spans } = await runOneCommand(
      {
        command: process.execPath,
        args: (task) => ['-e', 'console.log(process.cwd(), process.argv[1])', String(task)],
        cwd: folder,
        reward: 'exit-code',
      },
      'the task',
    );
    expect(spans[0]!.attributes[attributeNames.commandStdout]).toMatch(/run-command-.* the task\n$/);
  });
});

describe('commands at once', () => {
  it('each see their own attempt', async () => {
    const store = new MemoryStore();
    const own: ModelGateway = {
      openAttempt: async ({ attempt }) => ({ ...endpoint, baseUrl: `http://127.0.0.1:9/${attempt.attemptId}/v1` }),
      closeAttempt: async () => undefined,
    };
    const script =
      'process.stdin.once("data", (task) => console.log(process.env.OPENAI_BASE_URL, process.env.AGENT_LIGHTNING_ROLLOUT_ID, String(task)))';
    const rollout = runCommand(node(script, { reward: 'exit-code' }));
    const runner = new Runner({ store, rollout, gateway: own, concurrency: 12 });
    const queued = await store.enqueue(Array.from({ length: 24 }, (_, input) => ({ input })));
    const running = runner.run();
    await store.waitFor(queued.map(({ rolloutId }) => rolloutId));
    await runner.stop();
    await running;
    for (const { rolloutId, input } of queued) {
      const [span] = await store.querySpans({ rolloutIds: [rolloutId] });
      const expected = `http://127.0.0.1:9/${span!.attemptId}/v1 ${rolloutId} ${String(input)}\n\n`;
      expect(span!.attributes[attributeNames.commandStdout]).toBe(expected);
    }
    await store.close();
  });
});

describe('what a command earns', () => {
  it.each([
    ['a number', 'log("thinking"); log({ reward: 0 }); log({ reward: 0.5 }); log("bye")', { primary: 0.5 }],
    ['named numbers', 'log({ answer: 3, reward: { correct: 1, brevity: 0.5 } })', { correct: 1, brevity: 0.5 }],
    ['booleans', 'log({ reward: { correct: true, brief: false, feedback: "wordy" } })', { correct: 1, brief: 0 }],
    ['nothing for null', 'log({ reward: null })', {}],
  ])('is the last reward line of its output: %s', async (_, script, rewards) => {
    const log = 'const log = (value) => console.log(typeof value === "string" ? value : JSON.stringify(value));';
    const { rollout, spans } = await runOneCommand(node(log + script));
    expect(rollout.failure).toBeUndefined();
    expect(toEpisode(rollout, spans).rewards).toEqual(rewards);
  });

  it.each([
    ['{"reward": "high"}', 'reward-invalid'],
    ['{"reward": NaN}', 'reward-invalid'],
    ['{"reward": {"a": "yes"}}', 'reward-invalid'],
    ['{"reward": 1e200}', 'reward-invalid'],
    ['{"reward": 1', 'reward-invalid'],
    ['42', 'reward-missing'],
    ['', 'reward-missing'],
  ])('is refused by name: %j', async (line, code) => {
    const { rollout, spans } = await runOneCommand(node(`console.log(${JSON.stringify(line)})`));
    expect(rollout).toMatchObject({ status: 'failed', failure: { code, message: expect.stringContaining(line) } });
    expect(spans.filter((span) => readReward(span) !== undefined)).toEqual([]);
  });

  it.each([
    [0, 1],
    [3, 0],
  ])('is its exit code, when so asked: %i is %i', async (exitCode, reward) => {
    const { rollout, spans } = await runOneCommand(node(`process.exit(${exitCode})`, { reward: 'exit-code' }));
    expect(toEpisode(rollout, spans).reward).toBe(reward);
    expect(spans[0]!.attributes[attributeNames.commandExitCode]).toBe(exitCode);
  });

  it('is what a function makes of all that it left', async () => {
    const script = 'console.log("out"); console.error("err"); process.exitCode = 7';
    const seen: unknown[] = [];
    const { rollout, spans } = await runOneCommand(
      node(script, { reward: (result, { mode }) => (seen.push(result, mode), { scored: 0.75 }) }),
      { question: 1 },
    );
    expect(seen).toEqual([
      { task: { question: 1 }, stdout: 'out\n', stderr: 'err\n', exitCode: 7, signal: null },
      'train',
    ]);
    expect(toEpisode(rollout, spans).rewards).toEqual({ scored: 0.75 });
  });
});

describe('a command that goes wrong', () => {
  it.each([
    ['is not found', { command: 'no-such-agent' }, '"no-such-agent" was not found'],
    ['may not be executed', { command: join(import.meta.dirname, 'run-command.test.ts') }, 'may not be executed'],
    ['has no directory', { command: process.execPath, cwd: '/no/such/folder' }, '"/no/such/folder" does not exist'],
  ])('%s', async (_, options, message) => {
    const { rollout, spans } = await runOneCommand(options);
    expect(rollout.failure).toMatchObject({ code: 'command-unavailable', message: expect.stringContaining(message) });
    expect(spans[0]).toMatchObject({ kind: 'operation', status: { code: 'error' } });
  });

  it('says when its arguments are too long', async () => {
    const { rollout } = await runOneCommand({ command: process.execPath, args: ['x'.repeat(4_000_000)] });
    expect(rollout.failure).toMatchObject({
      code: 'command-unavailable',
      message: expect.stringContaining('too long'),
    });
  });

  it('is an error of its attempt and not the end of this process when no file descriptors are left', async () => {
    const script = `
      import { openSync } from 'node:fs';
      import { MemoryStore } from '@agent-lightning/store';
      import { runCommand, Runner } from ${JSON.stringify(join(import.meta.dirname, '../src/index.ts'))};
      const store = new MemoryStore();
      const runner = new Runner({ store, rollout: runCommand({ command: '/bin/true', reward: 'exit-code' }) });
      await store.enqueue([{ rolloutId: 'r', input: null }]);
      try { for (;;) openSync('/dev/null'); } catch {}
      const running = runner.run();
      const [rollout] = await store.waitFor(['r']);
      process.stdout.write(JSON.stringify(rollout.failure));
      process.exit();`;
    const child = spawn('/bin/sh', [
      '-c',
      'ulimit -n 64; exec "$0" "$@"',
      process.execPath,
      '--conditions=@agent-lightning/source',
      '--input-type=module',
      '-e',
      script,
    ]);
    const output = await text(child.stdout);
    expect(JSON.parse(output)).toMatchObject({
      code: 'command-unavailable',
      message: expect.stringContaining('EMFILE'),
    });
  });

  it('fails the attempt by its exit code, with its last words', async () => {
    const { rollout, spans } = await runOneCommand(
      node('console.log("{\\"reward\\":1}"); throw new RangeError("no table")'),
    );
    expect(rollout.failure).toMatchObject({ code: 'command-failed', message: expect.stringContaining('no table') });
    expect(rollout.failure!.message).toContain('exit code 1');
    expect(toEpisode(rollout, spans).reward).toBeUndefined();
  });

  it('fails the attempt by the signal that ended it', async () => {
    const { rollout } = await runOneCommand(node('process.kill(process.pid, "SIGKILL")'));
    expect(rollout.failure).toMatchObject({ code: 'command-failed', message: expect.stringContaining('SIGKILL') });
  });

  it('may leave its task unread', async () => {
    const { rollout } = await runOneCommand(node('console.log("{\\"reward\\":1}")'), 'x'.repeat(5_000_000));
    expect(rollout.status).toBe('succeeded');
  });

  it.each([
    [{ command: '' }, 'command must be'],
    [{ command: 'a', args: [1] }, 'args[0] must be a string'],
    [{ command: 'a', reward: 'stderr' }, 'reward must be'],
    [{ command: 'a', taskIn: 'file' }, 'taskIn must be'],
    [{ command: 'a', timeoutMs: 0 }, 'timeoutMs must be'],
    [{ command: 'a', killGraceMs: -1 }, 'killGraceMs must be'],
    [{ command: 'a', maxOutputBytes: 3 }, 'maxOutputBytes must be'],
    [{ command: 'a', env: 'A=1' }, 'env must be'],
    [{ command: 'a', inheritEnv: 'PATH' }, 'inheritEnv must be'],
    [{ command: 'a', inheritEnv: [1] }, 'inheritEnv must be'],
    [{ command: 'a', taskForAgent: {} }, 'taskForAgent must be'],
  ])('is refused before it runs: %j', (options, message) => {
    expect(() => runCommand(options as never)).toThrow(expect.objectContaining({ code: 'option-invalid' }));
    expect(() => runCommand(options as never)).toThrow(message);
  });
});

describe('what a command prints', () => {
  it('is kept from both ends, with a mark that says how much is missing', async () => {
    const script = `
      const block = 'x'.repeat(1 << 20) + '\\n';
      let left = 50;
      const write = () => { while (left-- > 0) if (!process.stdout.write(block)) return process.stdout.once('drain', write); console.log('{"reward":1}'); };
      console.log('first line'); write();`;
    const { rollout, spans } = await runOneCommand(node(script, { maxOutputBytes: 10_000 }));
    expect(rollout.status).toBe('succeeded');
    const output = String(spans[0]!.attributes[attributeNames.commandStdout]);
    expect(output.length).toBeLessThan(10_100);
    expect(output.replaceAll(/x+/g, 'x')).toBe('first line\nx\n… [52418874 more bytes] …\nx\n{"reward":1}\n');
  });

  it('never holds the key of the attempt, not even a piece of it where the output was cut', async () => {
    const script = `
      const key = process.env.OPENAI_API_KEY;
      process.stderr.write(('-'.repeat(90) + key).repeat(200));
      process.stdout.write(key + process.argv[1] + 'x'.repeat(227) + key + 'y'.repeat(3000) + key + 'z'.repeat(240));`;
    const { rollout, spans } = await runOneCommand({
      command: process.execPath,
      args: (_, { llm }) => ['-e', script, llm.apiKey],
      maxOutputBytes: 600,
    });
    expect(rollout.failure).toMatchObject({ code: 'reward-missing' });
    expect(spans[0]!.attributes[attributeNames.commandStdout]).toContain('[key of the attempt]');
    const stored = JSON.stringify([rollout, spans]);
    for (const piece of [endpoint.apiKey, endpoint.apiKey.slice(0, 9), endpoint.apiKey.slice(-9)])
      expect(stored).not.toContain(piece);
  });

  it('may be binary', async () => {
    const script = 'process.stdout.write(Buffer.from([0, 255, 65])); process.exit(0)';
    const { rollout, spans } = await runOneCommand(node(script, { reward: 'exit-code' }));
    expect(rollout.status).toBe('succeeded');
    expect(spans[0]!.attributes[attributeNames.commandStdout]).toBe('\uFFFD\uFFFDA');
  });
});

/** Says its process ids, ignores SIGTERM with all its children, and never ends. */
const stubborn =
  'trap "" TERM; sleep 1000 & echo $! $$; (sleep 1000; :) & echo > "$READY_FILE"; wait; wait; sleep 1000';
const limitMs = 54_321;

/** Runs a command whose time of `limitMs` is over once it has written the file READY_FILE. */
async function runUntilReady(run: (env: () => NodeJS.ProcessEnv) => Promise<CommandRun>): Promise<CommandRun> {
  using time = holdTimers(limitMs);
  const readyFile = join(await mkdtemp(join(folder, 'ready-')), 'ready');
  const running = run(() => ({ READY_FILE: readyFile }));
  await vi.waitUntil(() => existsSync(readyFile), { timeout: 60_000 });
  await new Promise((resolve) => setImmediate(resolve)); // what it had printed before is read first
  time.end();
  return await running;
}

function pidsIn(output: unknown): number[] {
  return String(output).split(/\s+/).filter(Boolean).map(Number);
}

describe.skipIf(process.platform === 'win32')('the end of a command', () => {
  it('takes all of its processes along when its own time is over, also those that ignore SIGTERM', async () => {
    const command = { command: '/bin/sh', args: ['-c', stubborn], timeoutMs: limitMs, killGraceMs: 50 };
    const { rollout, spans } = await runUntilReady((env) => runOneCommand({ ...command, env }));
    expect(rollout.failure).toMatchObject({ code: 'timed-out', message: expect.stringContaining(`${limitMs} ms`) });
    const pids = pidsIn(spans[0]!.attributes[attributeNames.commandStdout]);
    expect(pids).toHaveLength(2);
    await vi.waitFor(() => expect(pids.filter(isAlive)).toEqual([]), { timeout: 60_000 });
  });

  it('comes when the attempt times out, and its output is kept', async () => {
    const command = { command: '/bin/sh', args: ['-c', stubborn], killGraceMs: 50 };
    const { rollout, spans } = await runUntilReady((env) =>
      runOneCommand({ ...command, env }, null, { attemptTimeoutMs: limitMs }),
    );
    expect(rollout).toMatchObject({ status: 'failed', failure: { code: 'timed-out' } });
    const span = spans.find(({ kind }) => kind === 'operation')!;
    expect(span.status).toMatchObject({ code: 'error', message: expect.stringContaining(`${limitMs} ms`) });
    const pids = pidsIn(span.attributes[attributeNames.commandStdout]);
    expect(pids).toHaveLength(2);
    await vi.waitFor(() => expect(pids.filter(isAlive)).toEqual([]), { timeout: 60_000 });
  });

  it('lets a command that minds SIGTERM say goodbye', async () => {
    const script =
      'process.on("SIGTERM", () => { console.log("bye"); process.exit() }); setInterval(() => {}, 1000); console.log("hi"); require("fs").writeFileSync(process.env.READY_FILE, "")';
    const { spans } = await runUntilReady((env) =>
      runOneCommand(node(script, { timeoutMs: limitMs, killGraceMs: 60_000, env })),
    );
    expect(spans[0]!.attributes[attributeNames.commandStdout]).toBe('hi\nbye\n');
  });

  it('takes along what a command left in the background', async () => {
    const script = 'sleep 1000 & echo $!; echo \'{"reward": 1}\'';
    const { rollout, spans } = await runOneCommand({ command: '/bin/sh', args: ['-c', script] });
    expect(rollout.status).toBe('succeeded');
    const [pid] = pidsIn(spans[0]!.attributes[attributeNames.commandStdout]);
    await vi.waitFor(() => expect(isAlive(pid!)).toBe(false), { timeout: 60_000 });
  });

  it('does not wait for a process that left the group and holds the output', async () => {
    const script = `
      const { spawn } = require('node:child_process');
      const child = spawn('sleep', ['1000'], { detached: true, stdio: 'inherit' });
      console.log(String(child.pid)); console.log('{"reward":1}'); child.unref();`;
    const { rollout, spans } = await runOneCommand(node(script));
    expect(rollout.status).toBe('succeeded');
    process.kill(pidsIn(String(spans[0]!.attributes[attributeNames.commandStdout]).split('\n')[0])[0]!, 'SIGKILL');
  });

  it('comes when this process is killed by SIGKILL', async () => {
    const pidFile = join(folder, 'pid');
    const parent = spawn(
      process.execPath,
      ['--conditions=@agent-lightning/source', join(import.meta.dirname, 'outliving-command.ts')],
      { env: { ...process.env, PID_FILE: pidFile }, stdio: 'ignore' },
    );
    const pid = await vi.waitFor(
      async () => {
        const [read] = pidsIn(await readFile(pidFile, 'utf8'));
        expect(read).toBeGreaterThan(0);
        return read!;
      },
      { timeout: 60_000 },
    );
    expect(isAlive(pid)).toBe(true);
    parent.kill('SIGKILL');
    await once(parent, 'exit');
    await vi.waitFor(() => expect(isAlive(pid)).toBe(false), { timeout: 60_000 });
  });
});
