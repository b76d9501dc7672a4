import { spawn } from 'node:child_process';
import { join } from 'node:path';

/** Describes how the program ended, and all that it printed. */
export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the quickstart's program, and kills it as soon as its progress matches. */
export function runQuickstart(args: readonly string[], killWhen?: RegExp): Promise<Ended> {
  const child = spawn(process.execPath, [
    '--conditions=@agent-lightning/source',
    join(import.meta.dirname, 'main.ts'),
    ...args,
  ]);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
    if (killWhen?.test(stderr) === true) child.kill('SIGKILL');
  });
  return new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr })));
}
