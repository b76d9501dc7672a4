import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { openSqliteStore } from '@agent-lightning/store-sqlite';

export interface RunProcessOptions {
  readonly resume?: boolean;
  readonly maxStaleness?: number;
  /** Told of each step that the process says is done. */
  readonly onStep?: (child: ChildProcess, step: number) => void;
}

/** Steps of a run in a process. */
export const steps = 6;

/** Runs `resumable-run.ts` to its end, whichever that is. */
export async function runProcess(
  runDirectory: string,
  options: RunProcessOptions = {},
): Promise<{ readonly code: number | null; readonly signal: string | null; readonly output: string }> {
  const child = spawn(
    process.execPath,
    [
      '--conditions=@agent-lightning/source',
      '--disable-warning=ExperimentalWarning',
      join(import.meta.dirname, 'resumable-run.ts'),
      runDirectory,
      String(steps),
      options.resume === true ? 'resume' : 'begin',
      String(options.maxStaleness ?? 0),
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let output = '';
  const read = (chunk: Buffer): void => {
    output += chunk.toString();
    for (const [, step] of chunk.toString().matchAll(/step (\d+)\/\d+ ·/g)) options.onStep?.(child, Number(step));
  };
  child.stdout.on('data', read);
  child.stderr.on('data', read);
  return await new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, output })));
}

/** The rollouts of a run that came to a good end. */
export async function succeededRollouts(runDirectory: string): Promise<readonly string[]> {
  const store = await openSqliteStore({ path: join(runDirectory, 'store.sqlite') });
  try {
    const { items } = await store.queryRollouts({ statuses: ['succeeded'], limit: 10_000 });
    return items.map((rollout) => rollout.rolloutId);
  } finally {
    await store.close();
  }
}
