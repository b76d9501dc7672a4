import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { seededRandom } from '@agent-lightning/core';
import { Auditor, type Acknowledged } from './auditor.ts';
import { LedgerReader } from './ledger.ts';
import { breakConnections, dropSchema } from './postgres-attacks.ts';
import { openTarget, type StoreTarget, type TargetKind } from './store-target.ts';
import type { WorkerConfiguration } from './worker.ts';

export interface ChaosOptions {
  readonly kills: number;
  readonly target: TargetKind;
  readonly seed: number;
  /** An empty folder for the data and the ledgers. */
  readonly folder: string;
  /** Called after each check. */
  readonly onProgress?: (kills: number) => void;
}

export interface ChaosReport {
  readonly store: string;
  readonly seed: number;
  readonly kills: number;
  /** Times that a worker was frozen for longer than its lease and woken again. */
  readonly zombies: number;
  /** Times that the server broke every connection of the workers. */
  readonly brokenConnections: number;
  readonly acknowledged: Acknowledged;
  readonly slowestOpenMs: number;
  readonly violations: readonly string[];
  readonly wallSeconds: number;
}

const workers = 3;
const leaseMs = 1_000;
/** A rollout is stuck when its lease has been over for so long while a worker lived; a busy machine takes its time, but not so much. */
const stuckMs = 10 * leaseMs;
/** Workers that drain a store are done long before. */
const drainLimitMs = 300_000;
/** A store lives through so many kills, is drained, checked as a whole, and replaced: the check after a kill stays short. */
const killsPerStore = 50;
const program: string = fileURLToPath(new URL('./worker.ts', import.meta.url));

/** Kills writers and runners at random moments and checks every promise that the store made to them. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const startMs = performance.now();
  const totals: Acknowledged = {
    enqueued: 0,
    cancelled: 0,
    claimed: 0,
    appended: 0,
    rewarded: 0,
    completed: 0,
    failed: 0,
    fenced: 0,
  };
  let [kills, zombies, brokenConnections, slowestOpenMs] = [0, 0, 0, 0];
  const violations: string[] = [];
  for (let round = 0; kills < options.kills && violations.length === 0; round++) {
    const siege = new Siege(options, round);
    await siege.run(Math.min(killsPerStore, options.kills - kills), (done) => options.onProgress?.(kills + done));
    kills += siege.kills;
    zombies += siege.zombies;
    brokenConnections += siege.brokenConnections;
    slowestOpenMs = Math.max(slowestOpenMs, siege.slowestOpenMs);
    violations.push(...siege.auditor.violations);
    for (const [type, count] of Object.entries(siege.auditor.acknowledged)) totals[type as keyof Acknowledged] += count;
  }
  return {
    store: options.target.store === 'sqlite' ? `sqlite ${options.target.durability}` : options.target.store,
    seed: options.seed,
    kills,
    zombies,
    brokenConnections,
    acknowledged: totals,
    slowestOpenMs: Math.round(slowestOpenMs),
    violations,
    wallSeconds: Math.round((performance.now() - startMs) / 100) / 10,
  };
}

interface Running {
  readonly process: ChildProcess;
  readonly ledger: LedgerReader;
  /** When its first entry was seen. */
  readySinceMs: number | undefined;
}

/** One store and the workers that die on it. */
class Siege {
  readonly auditor: Auditor = new Auditor();
  kills: number = 0;
  zombies: number = 0;
  brokenConnections: number = 0;
  slowestOpenMs: number = 0;
  readonly #options: ChaosOptions;
  readonly #round: number;
  readonly #target: StoreTarget;
  readonly #random: () => number;
  #running: Running[] = [];
  #gone: LedgerReader[] = [];
  #spawned: number = 0;

  constructor(options: ChaosOptions, round: number) {
    this.#options = options;
    this.#round = round;
    this.#random = seededRandom(options.seed * 1_000 + round);
    this.#target =
      options.target.store === 'sqlite'
        ? { ...options.target, path: join(options.folder, `store-${round}.db`) }
        : { ...options.target, schema: `chaos_${process.pid}_${round}` };
  }

  async run(kills: number, onProgress: (kills: number) => void): Promise<void> {
    try {
      while (this.kills < kills && this.auditor.violations.length === 0) {
        while (this.#running.length < workers) this.#spawn();
        await this.#untilOneIsReady();
        await delay(this.#random() * 300);
        this.#findDead();
        await this.#strike(kills - this.kills);
        await this.#audit('new');
        onProgress(this.kills);
      }
      await this.#drain();
      await this.#audit('all');
    } finally {
      await Promise.all(this.#running.map((running) => this.#kill(running)));
    }
    if (this.auditor.violations.length > 0) return;
    await this.#removeData();
  }

  async #removeData(): Promise<void> {
    if (this.#target.store === 'postgres') return dropSchema(this.#target.url, this.#target.schema);
    for (const suffix of ['', '-wal', '-shm']) rmSync(this.#target.path + suffix, { force: true });
  }

  #spawn(): void {
    const worker = `w${this.#round}-${++this.#spawned}`;
    const ledger = join(this.#options.folder, `${worker}.jsonl`);
    const configuration: WorkerConfiguration = {
      target: this.#target,
      worker,
      seed: this.#options.seed + this.#spawned,
      leaseMs,
      ledger,
    };
    const child = spawn(
      process.execPath,
      ['--conditions=@agent-lightning/source', program, JSON.stringify(configuration)],
      { stdio: ['ignore', 'ignore', 'inherit'] },
    );
    this.#running.push({ process: child, ledger: new LedgerReader(ledger), readySinceMs: undefined });
  }

  /** One worker dies, or all at once, or one freezes until its leases are over and comes back as a zombie, or a server breaks all connections. */
  async #strike(left: number): Promise<void> {
    const victim = this.#running[Math.floor(this.#random() * this.#running.length)] as Running;
    const choice = this.#random();
    if (choice < 0.1 && victim.readySinceMs !== undefined) {
      victim.process.kill('SIGSTOP');
      await delay(1.5 * leaseMs);
      victim.process.kill('SIGCONT');
      this.zombies++;
      // A process that freezes inside a transaction holds the lock of an embedded database: the others could do nothing.
      for (const running of this.#running)
        if (running.readySinceMs !== undefined) running.readySinceMs = performance.now();
      return;
    }
    if (choice < 0.2 && this.#target.store === 'postgres') {
      await breakConnections(this.#target.url);
      this.brokenConnections++;
    }
    const victims = choice < 0.3 && left >= this.#running.length ? [...this.#running] : [victim];
    await Promise.all(victims.map((running) => this.#kill(running)));
    this.kills += victims.length;
  }

  async #kill(running: Running): Promise<void> {
    this.#running = this.#running.filter((other) => other !== running);
    this.#gone.push(running.ledger);
    if (running.process.exitCode !== null || running.process.signalCode !== null) return;
    const exited = once(running.process, 'exit');
    running.process.kill('SIGKILL');
    await exited;
  }

  async #audit(scope: 'new' | 'all'): Promise<void> {
    this.#readLedgers();
    const openMs = performance.now();
    const { store, checkIntegrity } = await openTarget(this.#target, 0);
    this.slowestOpenMs = Math.max(this.slowestOpenMs, performance.now() - openMs);
    try {
      for (const problem of await checkIntegrity()) this.auditor.violations.push(`the data is damaged: ${problem}`);
      await this.auditor.check(store, scope);
      const aliveMs = Math.max(
        0,
        ...this.#running.map(({ readySinceMs }) => (readySinceMs === undefined ? 0 : performance.now() - readySinceMs)),
      );
      if (aliveMs > stuckMs) await this.auditor.checkNoneIsStuck(store, Date.now(), stuckMs);
      if (scope === 'all') await this.#checkAllIsFinal(store);
    } finally {
      await store.close();
    }
  }

  async #checkAllIsFinal(store: Awaited<ReturnType<typeof openTarget>>['store']): Promise<void> {
    const { rollouts } = await store.statistics();
    const left = rollouts.queuing + rollouts.requeuing + rollouts.preparing + rollouts.running;
    if (left > 0) this.auditor.violations.push(`${left} rollouts are not final after the workers drained the store`);
  }

  #readLedgers(): void {
    for (const running of this.#running) {
      const entries = running.ledger.readNew();
      if (entries.length > 0) running.readySinceMs ??= performance.now();
      for (const entry of entries) this.auditor.record(entry);
    }
    for (const ledger of this.#gone) for (const entry of ledger.readNew()) this.auditor.record(entry);
    this.#gone = [];
  }

  async #untilOneIsReady(): Promise<void> {
    while (!this.#running.some(({ readySinceMs }) => readySinceMs !== undefined)) {
      if (this.#findDead()) return;
      await delay(10);
      this.#readLedgers();
    }
  }

  /** A worker that ends before it is killed is a violation: a store must not bring a process down. */
  #findDead(): boolean {
    const dead = this.#running.filter(({ process: child }) => child.exitCode !== null);
    for (const { process: child } of dead)
      this.auditor.violations.push(`a worker ended by itself with exit code ${child.exitCode}`);
    return dead.length > 0;
  }

  /** Lets fresh workers finish what is left: a rollout that no worker can finish makes this fail by its time limit. */
  async #drain(): Promise<void> {
    if (this.auditor.violations.length > 0) return;
    while (this.#running.length < workers) this.#spawn();
    while (this.#running.some(({ readySinceMs }) => readySinceMs === undefined)) {
      await delay(10);
      this.#readLedgers();
    }
    const exits = this.#running.map(({ process: child }) =>
      child.exitCode === null ? once(child, 'exit') : Promise.resolve(),
    );
    for (const { process: child } of this.#running) child.kill('SIGTERM');
    const drained = Promise.all(exits).then(() => true);
    const isDrained = await Promise.race([drained, delay(drainLimitMs, false, { ref: false })]);
    if (!isDrained)
      this.auditor.violations.push(`the workers could not finish the rollouts within ${drainLimitMs / 1_000} s`);
    for (const { process: child } of this.#running)
      if (child.exitCode !== null && child.exitCode > 0)
        this.auditor.violations.push(`a worker that had finished left with exit code ${child.exitCode}`);
  }
}
