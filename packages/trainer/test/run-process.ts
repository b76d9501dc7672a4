import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { openSqliteStore } from '@agent-lightning/store-sqlite';

export interface RunProcessOptions {
  readonly resume?: boolean;
  readonly maxStaleness?: number;
  /** Sends a signal to the process while this rollout runs, which lasts until then. */
  readonly endIn?: readonly [rolloutId: string, signal: 'SIGKILL' | 'SIGINT'];
}

/** Steps of a run in a process. */
export const steps = 6;

/** How a process ended, and everything that it printed. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: string | null;
  readonly output: string;
}

export interface ProgramOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Told of each line that the process prints. */
  readonly onLine?: (child: ChildProcess, line: string) => unknown;
}

/** Runs a program of this folder to its end, whichever that is, in a process group of its own. */
export async function runProgram(
  program: string,
  args: readonly string[],
  { env, onLine }: ProgramOptions = {},
): Promise<ProcessEnd> {
  const flags = ['--conditions=@agent-lightning/source', '--disable-warning=ExperimentalWarning'];
  const child = spawn(process.execPath, [...flags, join(import.meta.dirname, program), ...args], {
    env: { ...process.env, ...env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  for (const input of [child.stdout, child.stderr])
    createInterface({ input }).on('line', (line) => {
      lines.push(line);
      onLine?.(child, line);
    });
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  return { code, signal, output: lines.join('\n') };
}

/** Runs `resumable-run.ts` to its end. */
export async function runProcess(runDirectory: string, options: RunProcessOptions = {}): Promise<ProcessEnd> {
  const { resume = false, maxStaleness = 0, endIn: [rolloutId, signal] = [] } = options;
  const args = [runDirectory, String(steps), resume ? 'resume' : 'begin', String(maxStaleness)];
  return await runProgram('resumable-run.ts', [...args, ...(rolloutId === undefined ? [] : [rolloutId])], {
    onLine: (child, line) => line === `began ${rolloutId}` && child.kill(signal),
  });
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
