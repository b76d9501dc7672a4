import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Gateway } from '@agent-lightning/gateway';
import { KeyRing, startServer } from '@agent-lightning/server';
import { MemoryStore } from '@agent-lightning/store';
import { startModelServer } from '@agent-lightning/testing';

/** What a manager of the stock trainer made of one rollout. */
export interface Completed {
  readonly rollout_id: string;
  readonly question: string;
  readonly state: string;
  readonly error: string | null;
  readonly reward: number | null;
  readonly hook: string | null;
  readonly events: readonly string[];
  readonly triplets: readonly {
    readonly prompt: readonly number[];
    readonly response: readonly number[];
    readonly log_probs: readonly number[] | null;
    readonly reward: number | null;
    readonly version: number;
  }[];
}

/** What the stock trainer's managers had of a session. */
export interface Session {
  readonly train: readonly Completed[];
  readonly val: readonly Completed[];
  readonly async: readonly Completed[];
  readonly carried: number;
  readonly paused: { readonly paused: boolean; readonly reason: string | null; readonly inflight: number };
  /** Rollouts that the server still has to do. */
  readonly left: readonly unknown[];
  /** The status of a question for a rollout that the trainer deleted. */
  readonly deleted: number;
}

/** Runs the stock controller and the managers of the stock trainer against our server, each with a key of its own role. */
export async function runStockSession(
  python: string,
  check: (session: Session, store: MemoryStore) => Promise<readonly string[]>,
): Promise<readonly string[]> {
  const directory = await mkdtemp(join(tmpdir(), 'agl10-'));
  const engine = await startModelServer({ respond: () => 'yes' });
  const store = new MemoryStore();
  const gateway = Gateway.mount({ store, sampling: { val: { temperature: 0.7 } } });
  const keys = new KeyRing();
  const { key: trainerKey } = await keys.add({ role: 'trainer' });
  const { key: controllerKey } = await keys.add({ role: 'runner' });
  const server = await startServer({ store, gateway, keys, port: 0, agentRewards: true });
  const paths = { PYTHONPATH: import.meta.dirname, PYTHONUNBUFFERED: '1' };
  const controller = start(
    python,
    ['-m', 'agentlightning.controller', 'runner_type=local', `agl_server.url=${server.url}`].concat([
      `agl_server.key=${controllerKey}`,
      'local_runner.poll_interval=0.3',
      `hydra.run.dir=${directory}/hydra`,
    ]),
    paths,
  );
  try {
    const result = join(directory, 'session.json');
    const environment = { ...paths, AGL10_SERVER: server.url, AGL10_KEY: trainerKey, AGL10_ENGINE: engine.baseUrl };
    const trainer = start(python, [join(import.meta.dirname, 'stock_session.py'), result], environment);
    const code = await Promise.race([once(trainer, 'close'), once(controller, 'close')]).then(
      ([first]) => first as unknown,
    );
    if (trainer.exitCode === null) trainer.kill();
    if (code !== 0 || trainer.exitCode !== 0) return [`the trainer or its controller ended with ${String(code)}`];
    return await check(JSON.parse(await readFile(result, 'utf8')) as Session, store);
  } finally {
    controller.kill('SIGTERM');
    if (controller.exitCode === null && controller.signalCode === null) await once(controller, 'close');
    await server.close();
    await gateway.close();
    await store.close();
    await engine.close();
    await rm(directory, { recursive: true, force: true });
  }
}

/** Starts a program whose output goes to the standard error, so that the last line of ours is the result. */
function start(python: string, args: readonly string[], environment: Readonly<Record<string, string>>): ChildProcess {
  return spawn(python, args, {
    env: { ...process.env, ...environment },
    stdio: ['ignore', process.stderr, process.stderr],
  });
}
