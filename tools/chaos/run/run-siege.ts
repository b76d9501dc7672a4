import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { SupervisedProcess } from './supervised-process.ts';
import type { RunConfiguration } from './trained-run.ts';
import type { WorkerConfiguration } from './letter-worker.ts';

/** The processes of a run that are killed. */
export const victims = ['trainer', 'worker', 'gateway'] as const;
export type Victim = (typeof victims)[number];

const adminKey = 'k'.repeat(40);
/** Between two kills the run gets at most so much time; it is less than a run takes. */
const longestPeaceMs = 2_500;
/** A run that does not end in this time, although nobody kills it any more, hangs. */
const longestEndMs = 300_000;

const programOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const gatewayProgram = programOf('../../../packages/gateway/src/bin.ts');

/** One training run, whose processes are killed at random moments until it is done. */
export class RunSiege {
  readonly folder: string;
  readonly steps: number;
  readonly kills: Record<Victim, number> = { trainer: 0, worker: 0, gateway: 0 };
  readonly violations: string[] = [];
  readonly runLedger: string;
  readonly workerLedger: string;
  readonly #random: () => number;
  readonly #seed: number;
  #ports: readonly [number, number] = [0, 0];
  #trainer: SupervisedProcess | undefined;
  #worker: SupervisedProcess | undefined;
  #gateway: SupervisedProcess | undefined;
  /** True when the worker was killed while the trainer ran: then the trainer may end with an error. */
  #mayFail = false;
  #starts = 0;

  /** @param random numbers in [0, 1) that say who is killed, and when */
  constructor(folder: string, steps: number, seed: number, random: () => number) {
    this.folder = folder;
    this.steps = steps;
    this.runLedger = join(folder, 'run-ledger.jsonl');
    this.workerLedger = join(folder, 'worker-ledger.jsonl');
    this.#random = random;
    this.#seed = seed;
  }

  get killed(): number {
    return victims.reduce((sum, victim) => sum + this.kills[victim], 0);
  }

  /** Runs until the training is done. @param limit kills at most; the run then ends in peace @returns the id of the run, unless it failed */
  async run(limit: number, onKill: () => void): Promise<string | undefined> {
    try {
      for (const file of [this.runLedger, this.workerLedger]) writeFileSync(file, '');
      this.#ports = [await findFreePort(), await findFreePort()];
      writeFileSync(join(this.folder, 'gateway.json'), JSON.stringify(this.#gatewayConfiguration()));
      await this.#keepRunning();
      while (this.killed < limit && this.violations.length === 0 && !this.#isDone()) {
        // Most of the time the run comes to work first; else it is hit as it starts.
        if (this.#random() < 0.7) await this.#trainer!.untilReady();
        await Promise.race([this.#trainer!.untilGone(), delay(this.#random() * longestPeaceMs)]);
        if (!this.#trainer!.hasEnded) {
          await this.#strike();
          onKill();
        }
        await this.#keepRunning();
      }
      return await this.#finish();
    } finally {
      await Promise.all([this.#trainer, this.#worker, this.#gateway].map((each) => each?.kill()));
    }
  }

  #gatewayConfiguration(): object {
    return {
      adminKey,
      port: this.#ports[1],
      seed: this.#seed,
      upstreams: { letters: { baseUrl: this.#workerUrl() } },
      maxRetries: 1,
    };
  }

  #workerUrl(): string {
    return `http://127.0.0.1:${this.#ports[0]}/v1`;
  }

  async #strike(): Promise<void> {
    const victim = victims[Math.floor(this.#random() * victims.length)]!;
    if (victim === 'worker') this.#mayFail = true;
    this.kills[victim] += 1;
    await { trainer: this.#trainer, worker: this.#worker, gateway: this.#gateway }[victim]?.kill();
  }

  /** Starts again what is gone. A process that ended by itself is a violation, but for a trainer whose worker was killed. */
  async #keepRunning(): Promise<void> {
    for (const each of [this.#worker, this.#gateway])
      if (each?.hasEnded === true && !each.isKilled) this.#violate(each, 'ended by itself');
    if (this.#worker?.hasEnded !== false) {
      const worker: WorkerConfiguration = { port: this.#ports[0], ledger: this.workerLedger };
      this.#worker = start('worker', programOf('./letter-worker.ts'), worker, /^ready /);
    }
    if (this.#gateway?.hasEnded !== false) {
      const flags = ['--config', join(this.folder, 'gateway.json'), '--store', join(this.folder, 'store.sqlite')];
      this.#gateway = new SupervisedProcess('gateway', gatewayProgram, flags, /"listening"/);
    }
    if (this.#trainer?.hasEnded !== false && !this.#isDone()) await this.#startTrainer();
  }

  async #startTrainer(): Promise<void> {
    const before = this.#trainer;
    if (before !== undefined && !before.isKilled && !this.#mayFail) return this.#violate(before, 'ended by itself');
    // A user who resumes has started the other parts before.
    await Promise.all([this.#worker!.untilReady(), this.#gateway!.untilReady()]);
    this.#mayFail = false;
    const configuration: RunConfiguration = {
      folder: this.folder,
      ledger: this.runLedger,
      steps: this.steps,
      resume: this.#starts > 0 && this.#hasBegun(),
      seed: this.#seed,
      workerUrl: this.#workerUrl(),
      gatewayUrl: `http://127.0.0.1:${this.#ports[1]}`,
      adminKey,
    };
    this.#starts += 1;
    this.#trainer = start('trainer', programOf('./trained-run.ts'), configuration, /step \d+\/\d+/);
  }

  /** Tells whether an earlier trainer came as far as to leave a run that can be resumed. */
  #hasBegun(): boolean {
    try {
      return readFileSync(join(this.folder, 'run', 'run.json')).length > 0;
    } catch {
      return false;
    }
  }

  #isDone(): boolean {
    return this.#trainer?.child.exitCode === 0;
  }

  async #finish(): Promise<string | undefined> {
    const late = AbortSignal.timeout(longestEndMs);
    while (this.violations.length === 0 && !this.#isDone()) {
      await Promise.race([this.#trainer!.untilGone(), once(late, 'abort')]);
      if (late.aborted) this.#violate(this.#trainer!, `did not end within ${longestEndMs / 1_000} s`);
      else await this.#keepRunning();
    }
    await this.#trainer!.untilGone();
    const { stopReason, runId } = JSON.parse(this.#trainer!.find('done') ?? '{}') as Record<string, string>;
    if (this.violations.length === 0 && stopReason !== 'completed') this.#violate(this.#trainer!, 'did not complete');
    return runId;
  }

  #violate(process: SupervisedProcess, what: string): void {
    const { exitCode, signalCode } = process.child;
    this.violations.push(`the ${process.name} ${what} (exit code ${exitCode}, ${signalCode}):\n${process.output}`);
  }
}

function start(name: string, program: string, configuration: object, readiness: RegExp): SupervisedProcess {
  return new SupervisedProcess(name, program, [JSON.stringify(configuration)], readiness);
}

/** Returns a port that is free at this moment. */
async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
