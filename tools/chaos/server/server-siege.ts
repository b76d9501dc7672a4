import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { KeyRing } from '@agent-lightning/server';
import { TcpProxy, type Weather } from '../../../packages/server/test/tcp-proxy.ts';
import { SupervisedProcess } from '../run/supervised-process.ts';
import { hostAddress, machineNames, type MachineName, type Machines } from './machines.ts';
import type { SiegeRunner } from './siege-ledger.ts';
import { attemptTimeoutMs, type SiegeRunnerConfiguration } from './siege-runner-configuration.ts';
import type { SiegeTrainerConfiguration } from './siege-trainer.ts';

/**
 * What can go wrong: a process is killed, `command` being `agent-lightning runner`; every connection is cut; each piece comes late; nothing
 * comes any more, and nobody is told; a machine is cut off, where each process has one of its own.
 */
export const faults = ['server', 'trainer', 'runner', 'command', 'cut', 'late', 'silent', 'machine'] as const;
export type Fault = (typeof faults)[number];

/** Between two faults the run gets at most so much time. */
const longestPeaceMs = 1_500;
/** Bad weather lasts at most so long; what was silent is then cut, as a connection that is gone is in the end. */
const longestWeatherMs = 2_000;
/** A machine is cut off for at most so long, which is longer than a lease. */
const longestCutOffMs = 8_000;
/** A run that does not end in this time, although all is well again, hangs. */
const longestEndMs = 300_000;
const leaseMs = 5_000;
const runnerNames = ['runner', 'command'] as const;
const adminKey = 'k'.repeat(40);

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
  readonly counts: Record<Fault, number> = noFaults();
  readonly violations: string[] = [];
  readonly #seed: number;
  readonly #random: () => number;
  readonly #machines: Machines | undefined;
  #ports: readonly [server: number, gateway: number] = [0, 0];
  #keys: Keys = { trainer: '', runner: '' };
  /** Before the server and before the gateway. */
  #proxies: readonly TcpProxy[] = [];
  #server: SupervisedProcess | undefined;
  #trainer: SupervisedProcess | undefined;
  readonly #runners: Map<SiegeRunner, SupervisedProcess> = new Map();

  /** @param random numbers in [0, 1) that say what goes wrong, and when @param machines those of the processes; without them all share this one */
  constructor(folder: string, steps: number, seed: number, random: () => number, machines?: Machines) {
    this.#machines = machines;
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
      await Promise.all([this.#trainer, this.#server, ...this.#runners.values()].map((each) => each?.kill()));
      await Promise.all(this.#proxies.map((proxy) => proxy.close()));
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
    const [serverPort, gatewayPort] = this.#ports;
    this.#proxies = [
      await TcpProxy.start(`http://${this.#addressOf('server')}:${serverPort}`, this.#host),
      await TcpProxy.start(`http://${this.#addressOf('trainer')}:${gatewayPort}`, this.#host),
    ];
  }

  /** The address at which the proxies listen. */
  get #host(): string {
    return this.#machines === undefined ? '127.0.0.1' : hostAddress;
  }

  #addressOf(name: MachineName): string {
    return this.#machines?.addressOf(name) ?? '127.0.0.1';
  }

  async #strike(): Promise<void> {
    const possible = this.#machines === undefined ? faults.filter((fault) => fault !== 'machine') : faults;
    const fault = possible[Math.floor(this.#random() * possible.length)]!;
    this.counts[fault] += 1;
    if (fault === 'server') return await this.#server!.kill();
    if (fault === 'trainer') return await this.#trainer!.kill();
    if (fault === 'runner' || fault === 'command') return await this.#runners.get(fault)!.kill();
    if (fault === 'machine') return await this.#cutOff(machineNames[Math.floor(this.#random() * machineNames.length)]!);
    if (fault !== 'cut') {
      this.#setWeather(fault === 'late' ? { delayMs: 20 + this.#random() * 300 } : { isSilent: true });
      await delay(this.#random() * longestWeatherMs);
      this.#setWeather({});
    }
    for (const proxy of this.#proxies) proxy.cut();
  }

  #setWeather(weather: Weather): void {
    for (const proxy of this.#proxies) proxy.weather = weather;
  }

  async #cutOff(name: MachineName): Promise<void> {
    this.#machines!.unplug(name);
    await delay(this.#random() * longestCutOffMs);
    this.#machines!.plugIn(name);
  }

  /** Starts again what is gone. A process that ended by itself is a violation. */
  #keepRunning(): void {
    const [serverPort, gatewayPort] = this.#ports;
    for (const each of [this.#server, this.#trainer, ...this.#runners.values()])
      if (each?.hasEnded === true && !each.isKilled && !(each === this.#trainer && this.#isDone()))
        this.#violate(each, 'ended by itself');
    if (this.violations.length > 0) return;
    if (this.#server?.hasEnded !== false) {
      const flags = [
        '--host',
        this.#addressOf('server'),
        '--allowed-host',
        this.#host,
        '--port',
        String(serverPort),
        '--keys',
        join(this.folder, 'keys.json'),
        '--watchdog-delay-ms',
        String(leaseMs),
      ];
      const args = ['serve', join(this.folder, 'store.sqlite'), ...flags];
      const prefix = this.#machines?.prefixOf('server');
      this.#server = new SupervisedProcess('server', command, args, /"listening"/, {}, prefix);
    }
    if (this.#trainer?.hasEnded !== false && !this.#isDone()) this.#trainer = this.#startTrainer(gatewayPort);
    for (const name of runnerNames)
      if (this.#runners.get(name)?.hasEnded !== false) this.#runners.set(name, this.#startRunner(name));
  }

  #startTrainer(gatewayPort: number): SupervisedProcess {
    const { ledger, folder, steps } = this;
    const gatewayHost = this.#addressOf('trainer');
    const training = { ledger, folder, steps, seed: this.#seed, resume: this.#hasBegun() };
    const own = { key: this.#keys.trainer, gatewayHost, gatewayPort, adminKey };
    const configuration: SiegeTrainerConfiguration = { ...this.#urls(), ...own, ...training };
    return this.#start('trainer', './siege-trainer.ts', configuration, /step \d+\/\d+/);
  }

  #urls(): { readonly serverUrl: string; readonly gatewayUrl: string } {
    const [server, gateway] = this.#proxies;
    return { serverUrl: server!.url, gatewayUrl: gateway!.url };
  }

  #startRunner(name: SiegeRunner): SupervisedProcess {
    const outbox = join(this.folder, `outbox-${name}`);
    const { runner: key } = this.#keys;
    const { serverUrl, gatewayUrl } = this.#urls();
    const environment = { SIEGE_LEDGER: this.ledger, SIEGE_RUNNER: name };
    if (name === 'runner') {
      const { ledger } = this;
      const configuration: SiegeRunnerConfiguration = { serverUrl, gatewayUrl, adminKey, ledger, key, outbox, leaseMs };
      return this.#start(name, './siege-runner.ts', configuration, /^ready /, environment);
    }
    const flags = ['--server', serverUrl, '--gateway', gatewayUrl, '--concurrency', '4', '--outbox', outbox];
    const times = ['--lease-ms', String(leaseMs), '--attempt-timeout-ms', String(attemptTimeoutMs)];
    const args = ['runner', programOf('./siege-agent.ts'), ...flags, ...times];
    const keys = { AGENT_LIGHTNING_KEY: key, AGENT_LIGHTNING_GATEWAY_KEY: adminKey };
    const prefix = this.#machines?.prefixOf(name);
    return new SupervisedProcess(name, command, args, /works for/, { ...environment, ...keys }, prefix);
  }

  #start(
    name: MachineName,
    program: string,
    configuration: object,
    readiness: RegExp,
    environment: NodeJS.ProcessEnv = {},
  ): SupervisedProcess {
    const args = [JSON.stringify(configuration)];
    const prefix = this.#machines?.prefixOf(name);
    return new SupervisedProcess(name, programOf(program), args, readiness, environment, prefix);
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

/** Returns a count of 0 for each fault. */
export function noFaults(): Record<Fault, number> {
  return Object.fromEntries(faults.map((fault) => [fault, 0])) as Record<Fault, number>;
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
