import { spawnSync } from 'node:child_process';

/** Tells whether this user can make machines on this system: a container's root often may not. Makes a namespace and removes it. */
export function canMakeMachines(): boolean {
  const name = `agl${process.pid}-try`;
  const { status } = spawnSync('ip', ['netns', 'add', name]);
  spawnSync('ip', ['netns', 'delete', name]);
  return status === 0;
}

/** The parts of a siege that have a machine each. */
export const machineNames = ['server', 'trainer', 'runner', 'command'] as const;
export type MachineName = (typeof machineNames)[number];

/** The address of the host, at which proxies listen for every machine. */
export const hostAddress = '10.231.0.1';

/**
 * Makes machines of network namespaces of Linux. Each has a loopback of its own and one cable, and knows no way but to the host: machines
 * reach each other through proxies of the host alone. Needs root and `ip` of iproute2. One set at a time, since the addresses are the
 * same: it replaces one that a killed program left, and leaves that of a program that still runs alone.
 */
export class Machines {
  /** @throws {TypeError} where this user or system cannot make them, or another program has some */
  constructor() {
    const { stdout } = spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' });
    for (const namespace of findLeft(stdout ?? '', isRunning)) spawnSync('ip', ['netns', 'delete', namespace]);
    try {
      ip('address', 'replace', `${hostAddress}/32`, 'dev', 'lo');
      for (const name of machineNames) make(name);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Returns the address of a machine, as the host reaches it. */
  addressOf(name: MachineName): string {
    return `${networkOf(name)}.2`;
  }

  /** Returns what goes before a command so that it runs on a machine. */
  prefixOf(name: MachineName): readonly string[] {
    return ['ip', 'netns', 'exec', namespaceOf(name)];
  }

  /** Pulls the cable of a machine: nothing passes, and neither end is told. */
  unplug(name: MachineName): void {
    ip('link', 'set', namespaceOf(name), 'down');
  }

  plugIn(name: MachineName): void {
    ip('link', 'set', namespaceOf(name), 'up');
  }

  /** Removes the machines; what still runs there has no network any more. */
  close(): void {
    for (const name of machineNames) spawnSync('ip', ['netns', 'delete', namespaceOf(name)]);
    spawnSync('ip', ['address', 'delete', `${hostAddress}/32`, 'dev', 'lo']);
  }
}

function make(name: MachineName): void {
  const namespace = namespaceOf(name);
  const network = networkOf(name);
  ip('netns', 'add', namespace);
  ip('link', 'add', namespace, 'type', 'veth', 'peer', 'name', 'cable', 'netns', namespace);
  ip('address', 'add', `${network}.1/24`, 'dev', namespace);
  ip('link', 'set', namespace, 'up');
  ip('-n', namespace, 'link', 'set', 'lo', 'up');
  ip('-n', namespace, 'address', 'add', `${network}.2/24`, 'dev', 'cable');
  ip('-n', namespace, 'link', 'set', 'cable', 'up');
  ip('-n', namespace, 'route', 'add', hostAddress, 'via', `${network}.1`);
}

/** Names the namespace, and the end of its cable on the host: at most 15 characters, as Linux takes for a cable. */
export function namespaceOf(name: MachineName, pid: number = process.pid): string {
  return `agl${pid}-${machineNames.indexOf(name)}`;
}

/**
 * Returns the namespaces that programs which do not run any more left.
 * @param listed what `ip netns list` prints
 * @throws {TypeError} when one that runs has some
 */
export function findLeft(listed: string, isRunning: (pid: number) => boolean): readonly string[] {
  const found = [...listed.matchAll(/^agl(\d+)-\d\b/gmu)].map(([namespace, pid]) => ({ namespace, pid: Number(pid) }));
  const running = found.find(({ pid }) => isRunning(pid));
  if (running !== undefined)
    throw new TypeError(
      `process ${running.pid} has machines of the same addresses (${running.namespace}); end it first`,
    );
  return found.map(({ namespace }) => namespace);
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function networkOf(name: MachineName): string {
  return `10.231.${machineNames.indexOf(name) + 1}`;
}

function ip(...args: readonly string[]): void {
  const { status, stderr, error } = spawnSync('ip', args, { encoding: 'utf8' });
  if (status !== 0)
    throw new TypeError(
      `ip ${args.join(' ')} failed: ${(error?.message ?? stderr).trim()}; machines need Linux, root and iproute2`,
    );
}
