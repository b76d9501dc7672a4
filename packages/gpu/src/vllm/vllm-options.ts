/** Defines the option `vllm` of `gpu`, and checks it once. */
import { check, ConfigurationError } from '@agent-lightning/core';
import { findVllm } from './find-vllm.ts';

/** Options that started and attached servers share. */
export interface VllmSharedOptions {
  /** Adapters that one server holds at the same time; at least `liveSnapshots` of every policy and one more. @default 4 */
  readonly maxLoras?: number;
  /** Published versions of a policy that can be sampled at the same time. @default 2 */
  readonly liveSnapshots?: number;
  /** Puts the servers to sleep while the trainer works on the same GPU: nothing may be sampled meanwhile. @default false */
  readonly sleep?: boolean;
  /** The longest wait for a server that does not answer and is not started again, before publishing fails. @default 300_000 */
  readonly awayTimeoutMs?: number;
}

/** A `vllm serve` that the trainer starts, watches and ends. */
export interface VllmStartOptions extends VllmSharedOptions {
  /** The program and what stands before `serve`, such as `['uv', 'run', 'vllm']`. @default AGENT_LIGHTNING_VLLM, else what `agent-lightning setup-python --vllm` made for the device, else `vllm` */
  readonly command?: readonly string[];
  /** The share of the GPU's memory that vLLM takes; what is left is the worker's. A vLLM for the CPU takes it of the computer's memory. @default 0.45 */
  readonly gpuMemoryUtilization?: number;
  /** The port that the server listens on. @default a free one */
  readonly port?: number;
  /** vLLM's name of a tool-call parser, for agents with tools; null for none. @default the one of the model's chat template */
  readonly toolCallParser?: string | null;
  /** Further arguments of `vllm serve`, such as `['--tensor-parallel-size', '2']`. @default none */
  readonly args?: readonly string[];
  /** Further environment variables, such as CUDA_VISIBLE_DEVICES. @default none */
  readonly env?: Readonly<Record<string, string>>;
  /** The longest time from a start, the first or a later one, until it answers; a large model is read from disk meanwhile. @default 900_000 */
  readonly startTimeoutMs?: number;
}

/** Servers that run already, all with the same model and flags. */
export interface VllmAttachOptions extends VllmSharedOptions {
  /** The address of one server, or of every replica, without `/v1`. Give the servers themselves, not a load balancer before them. */
  readonly url: string | readonly string[];
  /** The key of the servers. @default the environment's VLLM_API_KEY, else none */
  readonly apiKey?: string;
}

export type VllmOptions = VllmStartOptions | VllmAttachOptions;

export interface ResolvedShared {
  readonly maxLoras: number;
  readonly liveSnapshots: number;
  readonly sleep: boolean;
  readonly awayTimeoutMs: number;
}

export interface ResolvedStart extends ResolvedShared {
  readonly kind: 'start';
  readonly command: readonly string[];
  readonly gpuMemoryUtilization: number;
  readonly port: number | undefined;
  /** Undefined: the one of the chat template. */
  readonly toolCallParser: string | null | undefined;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly startTimeoutMs: number;
}

export interface ResolvedAttach extends ResolvedShared {
  readonly kind: 'attach';
  readonly urls: readonly string[];
  readonly apiKey: string | undefined;
}

export type ResolvedVllm = ResolvedStart | ResolvedAttach;

const sharedNames = ['maxLoras', 'liveSnapshots', 'sleep', 'awayTimeoutMs'] as const;
const startNames = [
  ...sharedNames,
  'command',
  'gpuMemoryUtilization',
  'port',
  'toolCallParser',
  'args',
  'env',
  'startTimeoutMs',
] as const;
const attachNames = [...sharedNames, 'url', 'apiKey'] as const;

/** Flags of `vllm serve` that the trainer sets itself. */
export const ownFlags: readonly string[] = [
  '--host',
  '--port',
  '--api-key',
  '--enable-lora',
  '--max-loras',
  '--max-cpu-loras',
  '--max-lora-rank',
  '--logprobs-mode',
  '--generation-config',
  '--gpu-memory-utilization',
  '--dtype',
  '--enable-sleep-mode',
  '--tool-call-parser',
  '--enable-auto-tool-choice',
  '--disable-log-stats',
];

/**
 * Checks the options and fills in their defaults.
 * @param device the device of the worker beside which vLLM runs, where that is known
 * @throws {ConfigurationError} `option-invalid`, naming the option and its value
 */
export function resolveVllm(
  options: VllmOptions,
  environment: NodeJS.ProcessEnv = process.env,
  device?: string,
): ResolvedVllm {
  const shared = resolveShared(options);
  if ('url' in options) return resolveAttach(options, shared, environment);
  return resolveStart(options, shared, () => findVllm(device, environment));
}

function resolveShared(options: VllmSharedOptions): ResolvedShared {
  const liveSnapshots = check.wholeNumber('vllm: liveSnapshots', options.liveSnapshots ?? 2);
  const maxLoras = check.wholeNumber('vllm: maxLoras', options.maxLoras ?? Math.max(4, liveSnapshots + 1));
  if (maxLoras <= liveSnapshots) {
    throw check.optionInvalid(
      'vllm: maxLoras',
      maxLoras,
      `above liveSnapshots, ${liveSnapshots}: a new version is loaded before an old one is unloaded`,
    );
  }
  const { sleep = false } = options;
  if (typeof sleep !== 'boolean') throw check.optionInvalid('vllm: sleep', sleep, 'true or false');
  const awayTimeoutMs = check.timerMs('vllm: awayTimeoutMs', options.awayTimeoutMs ?? 300_000);
  return { liveSnapshots, maxLoras, sleep, awayTimeoutMs };
}

function resolveAttach(
  options: VllmAttachOptions,
  shared: ResolvedShared,
  environment: NodeJS.ProcessEnv,
): ResolvedAttach {
  check.knownOptions('vllm with a url', options, attachNames);
  const given = typeof options.url === 'string' ? [options.url] : options.url;
  const urls = given.map((url) => resolveUrl(url));
  if (urls.length === 0 || new Set(urls).size < urls.length)
    throw check.optionInvalid('vllm: url', JSON.stringify(options.url), 'a URL, or a list of different ones');
  return Object.freeze({ kind: 'attach', ...shared, urls, apiKey: options.apiKey ?? environment['VLLM_API_KEY'] });
}

function resolveStart(options: VllmStartOptions, shared: ResolvedShared, findProgram: () => string): ResolvedStart {
  check.knownOptions('vllm', options, startNames);
  const { command = [findProgram()], gpuMemoryUtilization = 0.45, toolCallParser, args = [], env = {}, port } = options;
  if (!isWords(command) || command.length === 0 || command.includes(''))
    throw check.optionInvalid('vllm: command', JSON.stringify(command), "a list of words, such as ['vllm']");
  if (!(gpuMemoryUtilization > 0 && gpuMemoryUtilization <= 1))
    throw check.optionInvalid('vllm: gpuMemoryUtilization', gpuMemoryUtilization, 'a number above 0 and up to 1');
  if (toolCallParser !== undefined && toolCallParser !== null && typeof toolCallParser !== 'string')
    throw check.optionInvalid('vllm: toolCallParser', JSON.stringify(toolCallParser), "a parser's name, or null");
  if (!isWords(args))
    throw check.optionInvalid(
      'vllm: args',
      JSON.stringify(args),
      "a list of words, such as ['--tensor-parallel-size', '2']",
    );
  checkEnvironment(env);
  const own = args.map((word) => word.split('=')[0]!).find((word) => ownFlags.includes(word));
  if (own !== undefined) {
    throw new ConfigurationError(`vllm: args must not have ${own}, which the trainer sets; use the option for it.`, {
      code: 'option-invalid',
    });
  }
  return Object.freeze({
    kind: 'start',
    ...shared,
    command: [...command],
    gpuMemoryUtilization,
    port: port === undefined ? undefined : check.wholeNumber('vllm: port', port, 1, 65_535),
    toolCallParser,
    args: [...args],
    env: { ...env },
    startTimeoutMs: check.timerMs('vllm: startTimeoutMs', options.startTimeoutMs ?? 900_000),
  });
}

/** Checks environment variables. Its errors leave out the values, since one may be a secret. */
function checkEnvironment(env: unknown): void {
  if (typeof env !== 'object' || env === null || Array.isArray(env))
    throw check.optionInvalid('vllm: env', typeof env, "texts by name, such as { CUDA_VISIBLE_DEVICES: '1' }");
  for (const [name, value] of Object.entries(env))
    if (typeof value !== 'string') throw check.optionInvalid(`vllm: env.${name}`, `a ${typeof value}`, 'a text');
}

function isWords(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((word) => typeof word === 'string');
}

/** Checks an address and returns it without a trailing slash and without `/v1`, which people copy along. */
function resolveUrl(value: string): string {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol) || url.username !== '' || url.search !== '')
    throw check.optionInvalid(
      'vllm: url',
      JSON.stringify(value),
      'an http or https URL without a user name and a query',
    );
  return url.href.replace(/\/+$/, '').replace(/\/v1$/, '');
}
