import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { KeyRing } from '@agent-lightning/server';
import { TcpProxy } from '../../../packages/server/test/tcp-proxy.ts';
import { SupervisedProcess } from '../run/supervised-process.ts';
import type { SiegeRunnerConfiguration } from './siege-runner.ts';
import type { SiegeTrainerConfiguration } from './siege-trainer.ts';

/** What can go wrong: a process is killed; every connection is cut; each piece comes late; nothing comes any more, and nobody is told. */
export const faults = ['server', 'trainer', 'runner', 'cut', 'late', 'silent'] as const;
export type Fault = (typeof faults)[number];

/** Between two faults the run gets at most so much time. */
const longestPeaceMs = 1_500;
/** Bad weather lasts at most so long; what was silent is then cut, as a connection that is gone is in the end. */
const longestWeatherMs = 2_000;
/** A run that does not end in this time, although all is well again, hangs. */
const longestEndMs = 300_000;
const leaseMs = 5_000;
const runnerCount = 2;

const programOf = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const command = programOf('../../../packages/agent-lightning/src/cli/main.ts');

interface Keys {
  readonly trainer: string;
  readonly runner: string;
}

/** One training run over a server, whose processes are killed and whose connections break until it is done. */
export class ServerSiege {
  readonly folder: string;
  readonly ledger: string;
  readonly steps: number;
  readonly counts: Record<Fault, number> = { server: 0, trainer: 0, runner: 0, cut: 0, late: 0, silent: 0 };
  readonly violations: string[] = [];
  readonly #seed: number;
  readonly #random: () => number;
  #ports: readonly [server: number, gateway: number] = [0, 0];
  #keys: Keys = { trainer: '', runner: '' };
  #proxy: TcpProxy | undefined;
  #server: SupervisedProcess | undefined;
  #trainer: SupervisedProcess | undefined;
  readonly #runners: (SupervisedProcess | undefined)[] = [];

  /** @param random numbers in [0, 1) that say what goes wrong, and when */
  constructor(folder: string, steps: number, seed: number, random: () => number) {
    this.folder = folder;
    this.steps = steps;
    this.ledger = join(folder, 'ledger.jsonl');
    this.#seed = seed;
    this.#random = random;
  }

  get faultCount(): number {
    return faults.reduce((sum, fault) => sum + this.counts[fault], 0);
  }

  /** Runs until the training is done. @param limit the most faults; the run then ends in peace @returns the id of the run, unless it failed */
  async run(limit: number, onFault: () => void): Promise<string | undefined> {
    try {
      await this.#prepare();
      this.#keepRunning();
      await this.#trainer!.untilReady();
      while (this.faultCount < limit && this.violations.length === 0 && !this.#isDone()) {
        await Promise.race([this.#trainer!.untilGone(), delay(this.#random() * longestPeaceMs)]);
        if (this.#isDone()) break;
        await this.#strike();
        onFault();
        this.#keepRunning();
      }
      return await this.#finish();
    } finally {
      await Promise.all([this.#trainer, this.#server, ...this.#runners].map((each) => each?.kill()));
      await this.#proxy?.close();
    }
  }

  async #prepare(): Promise<void> {
    writeFileSync(this.ledger, '');
    this.#ports = [await findFreePort(), await findFreePort()];
    const ring = new KeyRing({ file: join(this.folder, 'keys.json') });
    this.#keys = {
      trainer: (await ring.add({ role: 'trainer' })).key,
      runner: (await ring.add({ role: 'runner' })).key,
    };
    this.#proxy = await TcpProxy.start(`http://127.0.0.1:${this.#ports[0]}`);
  }

  async #strike(): Promise<void> {
    const fault = faults[Math.floor(this.#random() * faults.length)]!;
    this.counts[fault] += 1;
    const proxy = this.#proxy!;
    if (fault === 'server') return await this.#server!.kill();
    if (fault === 'trainer') return await this.#trainer!.kill();
    if (fault === 'runner') return await this.#runners[Math.floor(this.#random() * runnerCount)]!.kill();
    if (fault === 'cut') return proxy.cut();
    proxy.weather = fault === 'late' ? { delayMs: 20 + this.#random() * 300 } : { isSilent: true };
    await delay(this.#random() * longestWeatherMs);
    proxy.weather = {};
    return proxy.cut();
  }

  /** Starts again what is gone. A process that ended by itself is a violation. */
  #keepRunning(): void {
    const [serverPort, gatewayPort] = this.#ports;
    for (const each of [this.#server, this.#trainer, ...this.#runners])
      if (each?.hasEnded === true && !each.isKilled && !(each === this.#trainer && this.#isDone()))
        this.#violate(each, 'ended by itself');
    if (this.violations.length > 0) return;
    if (this.#server?.hasEnded !== false) {
      const flags = [
        '--port',
        String(serverPort),
        '--keys',
        join(this.folder, 'keys.json'),
        '--watchdog-delay-ms',
        String(leaseMs),
      ];
      const args = ['serve', join(this.folder, 'store.sqlite'), ...flags];
      this.#server = new SupervisedProcess('server', command, args, /"listening"/);
    }
    const adminKey = 'k'.repeat(40);
    const shared = { serverUrl: this.#proxy!.url, ledger: this.ledger, adminKey };
    if (this.#trainer?.hasEnded !== false && !this.#isDone()) {
      const { folder, steps } = this;
      const own = { key: this.#keys.trainer, gatewayPort, folder, steps, seed: this.#seed, resume: this.#hasBegun() };
      this.#trainer = start(
        'trainer',
        './siege-trainer.ts',
        { ...shared, ...own } satisfies SiegeTrainerConfiguration,
        /step \d+\/\d+/,
      );
    }
    for (let index = 0; index < runnerCount; index++) {
      if (this.#runners[index]?.hasEnded === false) continue;
      const own = {
        key: this.#keys.runner,
        gatewayUrl: `http://127.0.0.1:${gatewayPort}`,
        outbox: join(this.folder, `outbox-${index}`),
        leaseMs,
      };
      this.#runners[index] = start(
        `runner ${index}`,
        './siege-runner.ts',
        { ...shared, ...own } satisfies SiegeRunnerConfiguration,
        /^ready /,
      );
    }
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
      else this.#keepRunning();
    }
    if (this.violations.length > 0) return undefined;
    await this.#trainer!.untilGone();
    const { stopReason, runId } = JSON.parse(this.#trainer!.find('done') ?? '{}') as Record<string, string>;
    if (stopReason !== 'completed') this.#violate(this.#trainer!, `ended as ${stopReason}`);
    return runId;
  }

  #violate(process: SupervisedProcess, what: string): void {
    this.violations.push(`the ${process.name} ${what} in ${this.folder}:\n${process.output}`);
  }
}

function start(name: string, program: string, configuration: object, readiness: RegExp): SupervisedProcess {
  return new SupervisedProcess(name, programOf(program), [JSON.stringify(configuration)], readiness);
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
