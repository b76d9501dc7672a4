/** Runs the program of this example as a user does, for tests. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `main.ts` to its end. */
export function runQuickstart(...args: readonly string[]): Promise<Ended> {
  const program = ['--conditions=@agent-lightning/source', join(import.meta.dirname, '../main.ts')];
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [...program, ...args], (_error, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

/** Returns the object that `--json` printed. */
export function readLastLine({ stdout }: Ended): Record<string, unknown> {
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Record<string, unknown>;
}
