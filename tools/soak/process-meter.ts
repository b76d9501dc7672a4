import { readdirSync, readlinkSync } from 'node:fs';
import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks';
import { leastRise } from './fit-line.ts';

/** What a process holds at one moment. */
export interface Reading {
  readonly seconds: number;
  readonly rssMiB: number;
  /** Memory that is reachable: measured after a collection, where the process has `--expose-gc`. */
  readonly heldMiB: number;
  /** Open sockets; undefined where there is no /proc. */
  readonly sockets: number | undefined;
  /** Open file descriptors of all other kinds: files, pipes and those of the runtime. */
  readonly files: number | undefined;
  /** The 99th percentile of the event loop's delay since the reading before, in milliseconds. */
  readonly loopDelayMs: number;
}

/** The most that a process may hold of sockets, and may rise by in all else from the first reading after the warm-up to the last. */
export interface LeakLimits {
  readonly rssMiB: number;
  readonly heldMiB: number;
  readonly files: number;
  /** The most sockets at any reading. Pools of connections grow and shrink with the load, so that their rise says nothing. */
  readonly sockets: number;
}

/** Reads what this process holds, again and again. */
export class ProcessMeter {
  readonly readings: Reading[] = [];
  readonly #delays: IntervalHistogram = monitorEventLoopDelay({ resolution: 10 });
  readonly #startMs: number = performance.now();

  constructor() {
    this.#delays.enable();
  }

  read(): void {
    globalThis.gc?.();
    const { rss, heapUsed, external } = process.memoryUsage();
    this.readings.push({
      seconds: (performance.now() - this.#startMs) / 1_000,
      rssMiB: rss / 2 ** 20,
      heldMiB: (heapUsed + external) / 2 ** 20,
      ...countDescriptors(),
      loopDelayMs: this.#delays.percentile(99) / 1e6,
    });
    this.#delays.reset();
  }

  stop(): void {
    this.#delays.disable();
  }
}

/** Returns how many file descriptors this process has open, by kind; undefined where there is no /proc. */
export function countDescriptors(): Pick<Reading, 'sockets' | 'files'> {
  if (process.platform !== 'linux') return { sockets: undefined, files: undefined };
  const kinds = readdirSync('/proc/self/fd').map(kindOf);
  const sockets = kinds.filter((kind) => kind === 'socket').length;
  return { sockets, files: kinds.length - sockets };
}

/** Returns what an open descriptor is of, such as `socket` or a path. The one by which the folder is read is closed by then. */
function kindOf(descriptor: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${descriptor}`).split(':')[0]!;
  } catch {
    return 'closed';
  }
}

/** Leaves out the readings of the first third, in which caches fill and code is compiled. */
export function afterWarmUp(readings: readonly Reading[]): readonly Reading[] {
  return readings.slice(Math.floor(readings.length / 3));
}

/** Says what rises more than it may, by a line through the readings after the warm-up, and whether sockets are too many; two standard errors count for the process. */
export function findLeaks(readings: readonly Reading[], limits: LeakLimits): readonly string[] {
  const steady = afterWarmUp(readings);
  if (steady.length < 3) return [`only ${readings.length} readings were made, too few to see a leak in`];
  const rising = (['rssMiB', 'heldMiB', 'files'] as const).flatMap((name) => {
    const points = steady.flatMap((reading) => {
      const value = reading[name];
      return value === undefined ? [] : [[reading.seconds, value] as const];
    });
    if (points.length === 0) return [];
    const rise = leastRise(points);
    return rise > limits[name]
      ? [`${name} rose by at least ${rise.toFixed(1)} (at most ${limits[name]} may be noise)`]
      : [];
  });
  const most = Math.max(...readings.map(({ sockets = 0 }) => sockets));
  return most > limits.sockets
    ? [...rising, `${most} sockets were open at once, of at most ${limits.sockets}`]
    : rising;
}
