import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { LightningError, type LightningStore, type Rollout } from '@agent-lightning/core';
import { Gateway } from '@agent-lightning/gateway';
import { Runner } from '@agent-lightning/runner';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { checkRollout } from './check-rollout.ts';
import { fitLine } from './fit-line.ts';
import { afterWarmUp, countDescriptors, findLeaks, ProcessMeter, type LeakLimits } from './process-meter.ts';
import { runSoakAgent, type Witness } from './soak-agent.ts';
import { createSoakTask, soakKinds, type SoakKind, type SoakTask } from './soak-tasks.ts';

export interface SoakOptions {
  readonly minutes: number;
  /** Rollouts that run at once. */
  readonly concurrency: number;
  readonly seed: number;
  readonly upstreamUrl: string;
  /** An empty folder for the store. */
  readonly folder: string;
  /** The time between two readings. */
  readonly readingMs: number;
  readonly limits: LeakLimits;
}

export interface SoakReport {
  readonly minutes: number;
  readonly concurrency: number;
  readonly seed: number;
  readonly rollouts: Readonly<Record<SoakKind, number>>;
  readonly calls: number;
  /** Medians and 99th percentiles, in milliseconds; of the event loop, the worst reading after the warm-up. */
  readonly callMs: { readonly p50: number; readonly p99: number };
  readonly loopDelayMs: number;
  /** After the warm-up: the last reading, and the slope of the line through all. */
  readonly rssMiB: number;
  readonly rssSlopeMiBPerMinute: number;
  readonly heldSlopeMiBPerMinute: number;
  /** The most sockets at any reading, and the last count of all other descriptors. */
  readonly sockets: number | undefined;
  readonly files: number | undefined;
  readonly violations: readonly string[];
}

/** A rollout that is not final in this time hangs. Each takes a few seconds when nothing else holds it up. */
const longestBatchMs = 240_000;
const keptViolations = 50;

/** Descriptors that a process may keep after all is closed: those of its runtime. */
const keptDescriptors = 16;
/** Sockets that were closed are gone after a few turns of the event loop. */
const longestClosingMs = 30_000;

/** Runs rollouts in batches, each of which is a run of its own that is checked and deleted when it is over; then closes everything. */
export async function runSoak(options: SoakOptions): Promise<SoakReport> {
  const count = (): number | undefined => {
    const { sockets, files } = countDescriptors();
    return sockets === undefined ? undefined : sockets + (files ?? 0);
  };
  const before = count();
  const report = await runOpen(options);
  if (before === undefined) return report;
  const endMs = performance.now() + longestClosingMs;
  while (count()! > before + keptDescriptors && performance.now() < endMs) await delay(100);
  const left = count()! - before;
  if (left <= keptDescriptors) return report;
  return { ...report, violations: [...report.violations, `${left} descriptors are open after everything was closed`] };
}

async function runOpen(options: SoakOptions): Promise<SoakReport> {
  const store = await openSqliteStore({ path: join(options.folder, 'soak.sqlite'), durability: 'normal' });
  const gateway = await Gateway.start({ store, stallTimeoutMs: 2_000, retryBaseMs: 10, retryMaxMs: 50 });
  try {
    gateway.publish('policy', { kind: 'openai', version: 1, baseUrl: options.upstreamUrl, model: 'soak' });
    return await new Soak(options, store, gateway).run();
  } finally {
    await gateway.close();
    await store.close();
  }
}

class Soak {
  readonly #options: SoakOptions;
  readonly #store: LightningStore;
  readonly #runner: Runner<SoakTask>;
  readonly #meter: ProcessMeter = new ProcessMeter();
  readonly #witnesses = new Map<string, Witness>();
  readonly #violations: string[] = [];
  readonly #counts = Object.fromEntries(soakKinds.map((kind) => [kind, 0])) as Record<SoakKind, number>;
  /** Times of calls, one of each hundred once there are many. */
  #callMs: number[] = [];
  #calls = 0;
  #next = 0;

  constructor(options: SoakOptions, store: LightningStore, gateway: Gateway) {
    this.#options = options;
    this.#store = store;
    this.#runner = new Runner<SoakTask>({
      store,
      gateway,
      concurrency: options.concurrency,
      attemptTimeoutMs: longestBatchMs / 2,
      rollout: async (task, context) => {
        const witness: Witness = { answered: 0, callMs: [], strange: [], reward: undefined };
        this.#witnesses.set(context.rollout.rolloutId, witness);
        return await runSoakAgent(task, context, witness);
      },
      onError: (error) => this.#violate(`the runner reported ${String(error)}`),
    });
  }

  async run(): Promise<SoakReport> {
    const endMs = performance.now() + this.#options.minutes * 60_000;
    const over = new AbortController();
    const running = this.#runner.run();
    const metering = this.#readUntil(over.signal);
    // Two batches at once, so that the next one fills the places of those that the first has left.
    await Promise.all([this.#feed(endMs), this.#feed(endMs)]);
    over.abort();
    await metering;
    this.#meter.stop();
    await this.#runner.stop();
    await running;
    this.#violations.push(...findLeaks(this.#meter.readings, this.#options.limits));
    return this.#report();
  }

  async #readUntil(over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      await delay(this.#options.readingMs, undefined, { signal: over }).catch(() => undefined);
      this.#meter.read();
    }
  }

  async #feed(endMs: number): Promise<void> {
    while (performance.now() < endMs && this.#violations.length < keptViolations) await this.#runBatch();
  }

  async #runBatch(): Promise<void> {
    const { concurrency, seed } = this.#options;
    const runId = `soak-${this.#next}`;
    const requests = Array.from({ length: concurrency }, () => {
      const number = this.#next++;
      const input = createSoakTask(seed, number);
      return { rolloutId: `r${number}`, runId, mode: 'train' as const, input };
    });
    const ids = requests.map(({ rolloutId }) => rolloutId);
    await this.#store.enqueue(requests);
    try {
      const rollouts = await this.#store.waitFor(ids, { timeoutMs: longestBatchMs });
      await this.#check(rollouts);
      await this.#store.deleteRun(runId);
    } catch (error) {
      if (!LightningError.isInstance(error) || error.code !== 'timed-out') throw error;
      const { items } = await this.#store.queryRollouts({ rolloutIds: ids, limit: ids.length });
      for (const { rolloutId, status } of items)
        if (status !== 'succeeded' && status !== 'failed') this.#violate(`${rolloutId} hangs: it is ${status}`);
      for (const id of ids) await this.#store.cancel(id, 'it hangs');
    }
    for (const id of ids) this.#witnesses.delete(id);
  }

  async #check(rollouts: readonly Rollout[]): Promise<void> {
    const spans = await this.#store.querySpans({
      rolloutIds: rollouts.map(({ rolloutId }) => rolloutId),
      includeTokens: true,
    });
    const byRollout = Map.groupBy(spans, ({ rolloutId }) => rolloutId);
    for (const rollout of rollouts) {
      const witness = this.#witnesses.get(rollout.rolloutId);
      this.#counts[(rollout.input as SoakTask).kind] += 1;
      if (witness === undefined) {
        this.#violate(`${rollout.rolloutId} is ${rollout.status}, and its agent never ran`);
        continue;
      }
      this.#calls += witness.answered;
      if (this.#calls < 10_000 || this.#calls % 100 === 0) this.#callMs.push(...witness.callMs);
      for (const problem of checkRollout(rollout, byRollout.get(rollout.rolloutId) ?? [], witness))
        this.#violate(problem);
    }
  }

  #violate(what: string): void {
    if (this.#violations.length < keptViolations) this.#violations.push(what);
  }

  #report(): SoakReport {
    const { minutes, concurrency, seed } = this.#options;
    const steady = afterWarmUp(this.#meter.readings);
    const slopeOf = (name: 'rssMiB' | 'heldMiB'): number =>
      round(60 * fitLine(steady.map((reading) => [reading.seconds, reading[name]] as const)).slope);
    const times = this.#callMs.toSorted((a, b) => a - b);
    return {
      minutes,
      concurrency,
      seed,
      rollouts: this.#counts,
      calls: this.#calls,
      callMs: { p50: quantile(times, 0.5), p99: quantile(times, 0.99) },
      loopDelayMs: round(Math.max(...steady.map(({ loopDelayMs }) => loopDelayMs))),
      rssMiB: round(steady.at(-1)?.rssMiB ?? Number.NaN),
      rssSlopeMiBPerMinute: slopeOf('rssMiB'),
      heldSlopeMiBPerMinute: slopeOf('heldMiB'),
      sockets: mostOf(this.#meter.readings.map(({ sockets }) => sockets)),
      files: steady.at(-1)?.files,
      violations: this.#violations,
    };
  }
}

function quantile(sorted: readonly number[], share: number): number {
  return round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN);
}

function mostOf(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : Math.max(...known);
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
