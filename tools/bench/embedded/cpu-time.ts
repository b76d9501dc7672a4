/** Reads CPU time, which tells what a computation costs on a machine that does other things, too. */
import { readFileSync } from 'node:fs';

/** The kernel counts in hundredths of a second, on every Linux of today. */
const ticksPerSecond = 100;

/** Returns the CPU seconds that this process has used, all threads together. */
export function ownCpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** Returns the CPU seconds that the living children of this process have used; undefined where there is no /proc. */
export function childCpuSeconds(): number | undefined {
  try {
    const children = readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').trim().split(' ');
    return children.reduce((sum, child) => sum + cpuSecondsOf(child), 0);
  } catch {
    return undefined; // not Linux, or a child has just ended
  }
}

/** Fields 14 and 15 of stat, after the name in parentheses, are user and system time. */
function cpuSecondsOf(pid: string): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}
