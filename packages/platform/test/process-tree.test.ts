import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const program = join(import.meta.dirname, 'killed-at-start.ts');

// Elsewhere there is no /proc, by which the guard finds a command that it has no process id of.
it.runIf(process.platform === 'linux').each(['shell', 'program'])(
  'a command (%s) does not outlive a process that is killed as it starts it',
  async (kind) => {
    const child = spawn(process.execPath, ['--conditions=@agent-lightning/source', program, kind], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    child.stdout.resume();
    // The output closes when nobody holds it any more: neither the process nor its command, nor what that started.
    const [, signal] = (await once(child, 'close')) as [number | null, string | null];
    expect(signal).toBe('SIGKILL');
  },
  120_000,
);
