import { spawnSync } from 'node:child_process';

/** Tells whether a process runs; one that ended and was not yet collected does not. */
export function isAlive(pid: number): boolean {
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
  return !/^(?:Z|\s*$)/.test(stdout);
}
