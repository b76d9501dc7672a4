import { check, type JsonValue } from '@agent-lightning/core';
import {
  checkArguments,
  checkCommandOptions,
  invalidOption,
  type LaunchOptions,
  type ResolvedCommandOptions,
} from '../command/command-options.ts';

/** Options of `runContainer`. Those that it shares with `runCommand` mean the same; `env` and `args` are those of the container. */
export interface RunContainerOptions<Task = JsonValue> extends LaunchOptions<Task> {
  /** The image, as `docker run` takes it: a name with a tag or a digest. */
  readonly image: string;
  /** The program that runs containers: `docker`, `podman`, or a path to one of them. @default 'docker' */
  readonly engine?: string;
  /** The variables of this process that the container gets besides the attempt's own. @default none */
  readonly inheritEnv?: readonly string[];
  /**
   * The network of the container. With `host`, it reaches this machine by its loopback addresses. With a network of the engine, a loopback
   * address of the endpoint becomes `host.docker.internal`, with Podman `host.containers.internal`, and the gateway must listen at an address that containers reach. With
   * `container:NAME` the endpoint stays as it is, and loopback is that container's; with `none` nothing is reached. @default that of the engine
   */
  readonly network?: string;
  /** The most memory of the container, without swap besides: `512m`, `2g`. More ends it with exit code 137. @default no limit */
  readonly memory?: string;
  /** The most processors that the container uses, such as 0.5. @default no limit */
  readonly cpus?: number;
  /** The most processes and threads of the container. @default 512 */
  readonly pids?: number;
  /** Further arguments of `docker run`, before the image: volumes, devices, a user, `--cap-add`. @default none */
  readonly engineArgs?: readonly string[];
}

/** Holds the options of `runContainer` with all defaults. */
export interface ResolvedContainerOptions<Task> {
  readonly image: string;
  readonly engine: string;
  readonly inheritEnv: readonly string[];
  readonly network: string | undefined;
  readonly memory: string | undefined;
  readonly cpus: number | undefined;
  readonly pids: number;
  readonly engineArgs: readonly string[];
  /** The options that `runCommand` has too; the command is the engine. */
  readonly shared: ResolvedCommandOptions<Task>;
}

const optionNames: Readonly<Record<keyof RunContainerOptions<unknown>, true>> = {
  image: true,
  engine: true,
  args: true,
  env: true,
  inheritEnv: true,
  answersTo: true,
  taskIn: true,
  taskForAgent: true,
  reward: true,
  timeoutMs: true,
  killGraceMs: true,
  maxOutputBytes: true,
  network: true,
  memory: true,
  cpus: true,
  pids: true,
  engineArgs: true,
};

/** @throws {ConfigurationError} `option-invalid` */
export function resolveContainerOptions<Task>(options: RunContainerOptions<Task>): ResolvedContainerOptions<Task> {
  check.knownOptions('runContainer', options, optionNames);
  const { image, engine = 'docker', network, memory, cpus, pids = 512, engineArgs = [], inheritEnv = [] } = options;
  const invalid = invalidOption.bind(undefined, 'runContainer');
  // A dash would make an option of it.
  if (typeof image !== 'string' || !/^[a-z0-9][^\s\0]*$/i.test(image))
    throw invalid('image', image, 'the name of an image, such as "my-agent:1"');
  if (typeof engine !== 'string' || engine === '' || engine.includes('\0'))
    throw invalid('engine', engine, "'docker', 'podman', or a path to one of them");
  if (!Array.isArray(inheritEnv) || inheritEnv.some((name) => typeof name !== 'string' || name === ''))
    throw invalid('inheritEnv', inheritEnv, 'a list of names of variables');
  if (network !== undefined && (typeof network !== 'string' || !/^[a-z0-9][^\s\0]*$/i.test(network)))
    throw invalid('network', network, "the name of a network, such as 'host'");
  if (memory !== undefined && (typeof memory !== 'string' || !/^[1-9]\d*[bkmg]?$/i.test(memory)))
    throw invalid('memory', memory, "a size such as '512m' or '2g'");
  return Object.freeze({
    image,
    engine,
    inheritEnv,
    network,
    memory,
    cpus: cpus === undefined ? undefined : check.positive('runContainer: cpus', cpus),
    pids: check.wholeNumber('runContainer: pids', pids),
    engineArgs: checkArguments('runContainer', engineArgs, 'engineArgs'),
    shared: checkCommandOptions('runContainer', { ...options, command: engine }),
  });
}
