import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { RolloutFunction } from '@agent-lightning/runner';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { afterEach, describe, expect, it } from 'vitest';
import { closeRemoteStores, RemoteStore } from '../../runner/test/remote-store.ts';
import { answerLetter, letterTasks, type LetterTask } from './letter-task.ts';
import { createFolder, createRunDirectory, createTestTrainer, readMetrics, recordingLogger } from './run-folder.ts';

afterEach(closeRemoteStores);

const small = { tasksPerStep: 2, groupSize: 4, extendFailed: 0 };

/** The letter agent; calls `work` as its first rollout of a step is about to end. */
function answerAnd(work: () => void, step: number): RolloutFunction<LetterTask> {
  let isDone = false;
  return async (task, context) => {
    const reward = await answerLetter(task, context);
    if (context.rollout.metadata['step'] === step && !isDone) {
      isDone = true;
      work();
    }
    return reward;
  };
}

describe('a run whose store is away for a while', () => {
  it('in a file that another process has locked loses no rollout, and says so once', async () => {
    const folder = await createFolder();
    const path = join(folder, 'shared.sqlite');
    const store = await openSqliteStore({ path, busyTimeoutMs: 1 });
    const other = new DatabaseSync(path);
    const logger = recordingLogger();
    const warn = logger.warn.bind(logger);
    const unlocking = {
      ...logger,
      warn: (message: string) => {
        warn(message);
        if (other.isTransaction) other.exec('ROLLBACK');
      },
    };
    const rollout = answerAnd(() => other.exec('BEGIN IMMEDIATE'), 1);
    const { trainer, runDirectory } = await createTestTrainer({ rollout, store, logger: unlocking }, small);
    expect(await trainer.fit({ train: letterTasks, steps: 2 })).toMatchObject({ stopReason: 'completed', steps: 2 });
    const lines = await readMetrics(runDirectory);
    expect(lines.map(({ failed, retries, transitions }) => ({ failed, retries, transitions }))).toEqual(
      Array.from({ length: 2 }, () => ({ failed: 0, retries: 0, transitions: 8 })),
    );
    expect(logger.lines.filter((line) => line.includes('store'))).toEqual([
      expect.stringMatching(/^warning: the store is away, and the run waits for it/),
    ]);
    other.close();
    await store.close();
  });

  it('for longer than the leases runs again what ended meanwhile, and returns its result', async () => {
    const remote = new RemoteStore();
    const logger = recordingLogger();
    const warn = logger.warn.bind(logger);
    const returning = {
      ...logger,
      warn: (message: string) => {
        warn(message);
        if (!remote.isAway) return;
        // The leases of all that runs are over, and the watchdog is there before its writers.
        remote.nowMs += 60_000;
        remote.isAway = false;
        void remote.inner.runWatchdog();
      },
    };
    const rollout = answerAnd(() => {
      remote.isAway = true;
    }, 1);
    const { store } = remote;
    const { trainer, runDirectory } = await createTestTrainer(
      { rollout, store, logger: returning, retry: { maxAttempts: 3, backoffMs: 0 } },
      small,
    );
    expect(await trainer.fit({ train: letterTasks, steps: 2 })).toMatchObject({ stopReason: 'completed', steps: 2 });
    const lines = await readMetrics(runDirectory);
    expect(lines.map(({ failed, transitions }) => ({ failed, transitions }))).toEqual(
      Array.from({ length: 2 }, () => ({ failed: 0, transitions: 8 })),
    );
    expect(lines[0]!.retries).toBeGreaterThan(0);
  });

  it('between its steps waits for it', async () => {
    const remote = new RemoteStore();
    const logger = recordingLogger();
    const warn = logger.warn.bind(logger);
    const returning = {
      ...logger,
      warn: (message: string) => {
        warn(message);
        remote.isAway = false;
      },
    };
    const onStep = (): void => {
      remote.isAway = true;
    };
    const { store } = remote;
    const { trainer } = await createTestTrainer(
      { rollout: answerLetter, store, logger: returning, hooks: { onStep } },
      small,
    );
    expect(await trainer.fit({ train: letterTasks, steps: 2 })).toMatchObject({ stopReason: 'completed', steps: 2 });
    expect(remote.refused).toBeGreaterThan(0);
    expect(logger.lines.filter((line) => /store is (away|back)/.test(line)).length).toBeGreaterThanOrEqual(2);
  });

  it('and that is interrupted then ends as interrupted, and resumes', async () => {
    const remote = new RemoteStore();
    const interrupt = new AbortController();
    const logger = recordingLogger();
    const warn = logger.warn.bind(logger);
    const interrupting = {
      ...logger,
      warn: (message: string) => {
        warn(message);
        interrupt.abort();
      },
    };
    const runDirectory = await createRunDirectory();
    const onStep = (): void => {
      if (!interrupt.signal.aborted) remote.isAway = true;
    };
    const { store } = remote;
    const options = { rollout: answerLetter, store, runDirectory };
    const first = await createTestTrainer(
      { ...options, logger: interrupting, hooks: { onStep }, signal: interrupt.signal },
      small,
    );
    expect(await first.trainer.fit({ train: letterTasks, steps: 2 })).toMatchObject({
      stopReason: 'interrupted',
      steps: 1,
    });
    remote.isAway = false;
    const second = await createTestTrainer(options, small);
    expect(await second.trainer.fit({ train: letterTasks, steps: 2, resume: true })).toMatchObject({
      stopReason: 'completed',
      steps: 2,
    });
  });
});
