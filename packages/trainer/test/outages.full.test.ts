import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { openPostgresStore } from '@agent-lightning/store-postgres';
import { startPostgres, type PostgresServer } from '@agent-lightning/testing';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answerLetter, letterTasks } from './letter-task.ts';
import { createTestTrainer, readMetrics } from './run-folder.ts';

const small = { tasksPerStep: 2, groupSize: 4, extendFailed: 0 };

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
}, 300_000);
afterAll(() => server.stop());

/** Every process of the server. */
async function listProcesses(): Promise<readonly number[]> {
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  const parent = Number(execFileSync('ps', ['-o', 'ppid=', '-p', String(rows[0]!.pid)], { encoding: 'utf8' }));
  const ended = once(client, 'end');
  await client.end();
  await ended;
  const children = execFileSync('ps', ['-o', 'pid=', '--ppid', String(parent)], { encoding: 'utf8' });
  return [parent, ...children.trim().split(/\s+/).map(Number)];
}

/** Stops the server with all of its processes for a time, as a machine does that is paused. */
async function freeze(ms: number): Promise<void> {
  const processes = await listProcesses();
  for (const pid of processes) signal(pid, 'SIGSTOP');
  await delay(ms);
  for (const pid of processes) signal(pid, 'SIGCONT');
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // a backend that has ended meanwhile
  }
}

describe('a run over a PostgreSQL server', () => {
  it.each([
    ['crashes and starts again, later than reconnectMs', () => server.crash!()],
    ['is frozen for longer than reconnectMs', () => freeze(20_000)],
  ])(
    'that %s loses no rollout and returns its result',
    async (_, strike) => {
      const store = await openPostgresStore({
        connection: server.url,
        schema: `outage_${process.pid}`,
        reconnectMs: 1_000,
      });
      let struck: Promise<void> | undefined;
      const { trainer, runDirectory, logger } = await createTestTrainer(
        {
          store,
          rollout: async (task, context) => {
            const reward = await answerLetter(task, context);
            if (context.rollout.metadata['step'] === 2) struck ??= strike();
            await struck; // so that all rollouts of the step end while the server is away
            return reward;
          },
          retry: { maxAttempts: 3, backoffMs: 0 },
        },
        small,
      );
      expect(await trainer.fit({ train: letterTasks, validation: letterTasks.slice(0, 2), steps: 3 })).toMatchObject({
        stopReason: 'completed',
        steps: 3,
      });
      const lines = await readMetrics(runDirectory);
      expect(lines.map(({ failed, transitions }) => ({ failed, transitions }))).toEqual(
        Array.from({ length: 3 }, () => ({ failed: 0, transitions: 8 })),
      );
      expect(logger.lines.filter((line) => line.includes('fenced'))).toEqual([]);
      await store.close();
    },
    300_000,
  );
});
