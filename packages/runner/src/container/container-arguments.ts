import { isOfEveryProgram } from '../command/inherited-environment.ts';
import { hostNames, namesHost, type EngineKind } from './container-endpoint.ts';
import type { ResolvedContainerOptions } from './container-options.ts';

/** Holds what is said of one container besides the options. */
export interface ContainerFacts {
  readonly engine: EngineKind;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** The environment of the container. */
  readonly env: Readonly<Record<string, string>>;
  /** The environment of the engine's program. */
  readonly engineEnv: Readonly<Record<string, string>>;
  readonly args: readonly string[];
}

/** Returns the arguments of `docker run` and the environment in which it is started. */
export function containerArguments<Task>(
  options: Omit<ResolvedContainerOptions<Task>, 'shared'>,
  { engine, name, labels, env, engineEnv, args }: ContainerFacts,
): { readonly args: readonly string[]; readonly env: Readonly<Record<string, string>> } {
  const variables = splitVariables(env);
  return {
    args: [
      ...words(`run --rm --interactive --init --name ${name}`),
      ...Object.entries(labels).flatMap(([key, value]) => ['--label', `${key}=${value}`]),
      // Podman gives a container that is removed by force its time to end, which is over by then.
      ...(engine === 'podman' ? words('--stop-timeout 0') : []),
      // The engine keeps no second copy of the output, which has no bound.
      ...words('--log-driver none'),
      ...words(`--security-opt no-new-privileges --cap-drop ALL --pids-limit ${options.pids}`),
      ...(options.memory === undefined ? [] : words(`--memory ${options.memory} --memory-swap ${options.memory}`)),
      ...(options.cpus === undefined ? [] : ['--cpus', String(options.cpus)]),
      ...networkArguments(options.network, engine),
      ...variables.args,
      ...options.engineArgs,
      options.image,
      ...args,
    ],
    env: { ...engineEnv, ...variables.byName },
  };
}

/** Splits arguments of which none holds a space. */
function words(text: string): readonly string[] {
  return text.split(' ');
}

function networkArguments(network: string | undefined, engine: EngineKind): readonly string[] {
  return [
    ...(network === undefined ? [] : ['--network', network]),
    ...(engine === 'docker' && namesHost(network) ? ['--add-host', `${hostNames.docker}:host-gateway`] : []),
  ];
}

/** Variables that the engine's program reads itself. */
const engineVariable = /^(?:DOCKER|BUILDKIT|CONTAINERS?|PODMAN|REGISTRY|STORAGE|XDG|SSH|LD|DYLD|GO)(?:_|$)|^GO[A-Z]+$/u;

/**
 * Splits variables by the way in which they reach a container. The value of most is in the engine's environment, so that no list of
 * processes shows it; one that the engine's program would read itself is among the arguments.
 */
function splitVariables(env: Readonly<Record<string, string>>): {
  readonly args: readonly string[];
  readonly byName: Readonly<Record<string, string>>;
} {
  const isOfEngine = (name: string): boolean => engineVariable.test(name.toUpperCase()) || isOfEveryProgram(name);
  const args = Object.entries(env).flatMap(([name, value]) => ['--env', isOfEngine(name) ? `${name}=${value}` : name]);
  return { args, byName: Object.fromEntries(Object.entries(env).filter(([name]) => !isOfEngine(name))) };
}

/** Returns the part of this process's environment that the engine's program gets: what programs need to run, and where the engine is. */
export function engineEnvironment(inherited: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const named = Object.entries(process.env).filter(
    ([name]) => engineVariable.test(name) && !/^(?:LD|DYLD|GO)/u.test(name),
  );
  return Object.fromEntries(
    [...Object.entries(inherited), ...named].filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
