import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** Names the process that started something, within the machine and the namespace in which its process id counts. */
export interface ProcessOwner {
  /** Is equal for all processes that see each other's process ids; 12 hexadecimal digits. */
  readonly space: string;
  readonly pid: number;
  /** Tells a process from a later one with the same id; 0 where the system does not say. */
  readonly startedAt: string;
}

/** Returns the owner of what this process starts. */
export function thisOwner(): ProcessOwner {
  const parts = [hostname(), ...processSpace()];
  const space = createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 12);
  return { space, pid: process.pid, startedAt: startOf(process.pid) ?? '0' };
}

/** Tells whether no other machine has the space of `thisOwner`. Elsewhere than on Linux it is made of the machine's name alone, which another may have too. */
export function isSpaceUnique(): boolean {
  return processSpace().every((part) => part !== '');
}

/** Returns what tells the processes that see each other's ids from all others: the start of the machine, and the namespace; empty where the system does not say. */
function processSpace(): readonly string[] {
  return [
    read(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8')),
    read(() => readlinkSync('/proc/self/ns/pid')),
  ];
}

/** Returns a name that nothing else has and that says which process it belongs to. */
export function ownedName({ space, pid, startedAt }: ProcessOwner): string {
  return `agent-lightning_${space}_${pid}_${startedAt}_${randomBytes(8).toString('hex')}`;
}

/** Tells whether what has this name was left by a process that is gone. Names that are not ours, or of another machine, are not. */
export function isOrphan(name: string, space: string): boolean {
  const [, ofSpace, pid, startedAt] = /^agent-lightning_([0-9a-f]{12})_(\d+)_(\d+)_[0-9a-f]{16}$/.exec(name) ?? [];
  if (ofSpace !== space || pid === undefined) return false;
  if (!isRunning(Number(pid))) return true;
  const now = startOf(Number(pid));
  return now !== undefined && startedAt !== '0' && now !== startedAt;
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'; // another user's
  }
}

/** Returns the moment at which a process began, in ticks since the machine did. */
function startOf(pid: number): string | undefined {
  const stat = read(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  // The name, in parentheses, may hold anything; the 22nd field is the 20th after it.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

function read(from: () => string): string {
  try {
    return from();
  } catch {
    return '';
  }
}
