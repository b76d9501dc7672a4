/** Defines the options of `gpu`, and checks them once. */
import { basename, resolve } from 'node:path';
import { check, ConfigurationError, type Logger } from '@agent-lightning/core';
import { cleanLogger, createConsoleLogger, resolveModelDirectory } from '@agent-lightning/platform';
import { resolveLora, type LoraOptions, requireText, resolveUrl, type LoraSpec } from '@agent-lightning/tinker';
import { resolveVllm, type ResolvedVllm, type VllmOptions } from '../vllm/vllm-options.ts';

/** Options of `gpu`. */
export interface GpuOptions {
  /** A directory in the ordinary Hugging Face layout that holds a causal language model, or 'smollm2' for the starter model. */
  readonly model: string;
  /** Adapters, or 'full' for all weights. @default { rank: 32 } */
  readonly lora?: LoraOptions | 'full';
  /** The device that the worker uses. @default 'auto': a CUDA GPU where PyTorch has one, else the CPU. 'mps', Apple's GPU, is not tested */
  readonly device?: 'auto' | 'cpu' | 'cuda' | `cuda:${number}` | 'mps';
  /** The precision of weights that are not trained. @default 'auto': bfloat16 on a GPU, float32 on the CPU */
  readonly dtype?: 'auto' | 'float32' | 'bfloat16';
  /** The most tokens of prompt and response together. @default the model's */
  readonly contextLength?: number;
  /** Tokens of one forward pass; more is faster and takes more memory. @default 8192 */
  readonly tokenBudget?: number;
  /** The directory of saved states, which must outlive the run: a checkpoint points into it. @default 'agent-lightning-worker-state' */
  readonly stateDirectory?: string;
  /** The Python that runs the worker. @default AGENT_LIGHTNING_PYTHON, else what `npx agent-lightning-gpu setup` makes */
  readonly python?: string;
  /** The address of a worker that was started by hand; options of a start are rejected then. */
  readonly url?: string;
  /** The key of the worker at `url`. @default the environment's AGENT_LIGHTNING_WORKER_KEY */
  readonly apiKey?: string;
  /**
   * Samples by vLLM instead of the worker: true or options start a `vllm serve` beside it; a `url` among them attaches to
   * servers that run. They must see the worker's files. @default the worker samples
   */
  readonly vllm?: VllmOptions | true;
  /** The time from the worker's start until it listens. @default 600_000 */
  readonly startTimeoutMs?: number;
  /** The time from submitting an operation to giving up on its result. @default 1_800_000 */
  readonly timeoutMs?: number;
  /** Takes log messages. @default lines on standard error */
  readonly logger?: Logger;
  /** Aborting it ends every call, and a start in progress. */
  readonly signal?: AbortSignal;
}

export interface ResolvedGpuOptions {
  readonly model: string;
  readonly lora: LoraSpec;
  readonly contextLength: number | undefined;
  /** The arguments of a worker to start, or the address of one that runs. */
  readonly worker:
    | { readonly arguments: readonly string[]; readonly python: string | undefined; readonly startTimeoutMs: number }
    | { readonly url: string; readonly apiKey: string; readonly modelName: string };
  readonly vllm: ResolvedVllm | undefined;
  readonly timeoutMs: number;
  readonly logger: Logger;
  readonly signal: AbortSignal | undefined;
}

/** Options that only a start reads. */
const startOptions = ['device', 'dtype', 'tokenBudget', 'stateDirectory', 'python', 'startTimeoutMs'] as const;
const names: readonly (keyof GpuOptions)[] = [
  ...startOptions,
  'model',
  'lora',
  'contextLength',
  'url',
  'apiKey',
  'vllm',
  'timeoutMs',
  'logger',
  'signal',
];

/** Checks the options and fills in their defaults. @throws {ConfigurationError} `option-invalid` | `option-unsupported`, naming the option */
export function resolveGpuOptions(
  options: GpuOptions,
  environment: NodeJS.ProcessEnv = process.env,
): ResolvedGpuOptions {
  check.knownOptions('gpu', options, names);
  const given = requireText('gpu: model', options.model, "a model's directory, or 'smollm2'");
  const model = resolveModelDirectory('gpu: model', given, environment);
  const contextLength =
    options.contextLength === undefined ? undefined : check.wholeNumber('gpu: contextLength', options.contextLength, 2);
  const lora = resolveLora(options.lora ?? {}, 'worker', 'gpu');
  return Object.freeze({
    model,
    lora,
    contextLength,
    vllm: resolveSampling(options, lora, environment),
    worker: options.url === undefined ? resolveStart(options, model) : resolveAttach(options, model, environment),
    timeoutMs: check.timerMs('gpu: timeoutMs', options.timeoutMs ?? 1_800_000),
    logger: cleanLogger(options.logger ?? createConsoleLogger()),
    signal: options.signal,
  });
}

function resolveStart(options: GpuOptions, model: string): ResolvedGpuOptions['worker'] {
  if (options.apiKey !== undefined) throw useless('apiKey', 'a worker that gpu() starts gets a key of its own');
  const device = options.device ?? 'auto';
  if (!/^(?:auto|cpu|cuda(?::\d+)?|mps)$/.test(device))
    check.oneOf('gpu: device', device, ['auto', 'cpu', 'cuda', 'mps']);
  const flags: Readonly<Record<string, string | number | undefined>> = {
    '--model': model,
    '--device': device,
    '--dtype': check.oneOf('gpu: dtype', options.dtype ?? 'auto', ['auto', 'float32', 'bfloat16']),
    '--state-dir': resolve(options.stateDirectory ?? 'agent-lightning-worker-state'),
    '--token-budget': check.wholeNumber('gpu: tokenBudget', options.tokenBudget ?? 8_192),
    '--max-context': options.contextLength,
  };
  return {
    arguments: Object.entries(flags).flatMap(([flag, value]) => (value === undefined ? [] : [flag, String(value)])),
    python: options.python,
    startTimeoutMs: check.timerMs('gpu: startTimeoutMs', options.startTimeoutMs ?? 600_000),
  };
}

function resolveAttach(
  options: GpuOptions,
  model: string,
  environment: NodeJS.ProcessEnv,
): ResolvedGpuOptions['worker'] {
  for (const name of startOptions)
    if (options[name] !== undefined) throw useless(name, 'the worker at url is already started');
  const apiKey = options.apiKey ?? environment['AGENT_LIGHTNING_WORKER_KEY'];
  if (apiKey === undefined || apiKey === '') {
    throw new ConfigurationError(
      'gpu: apiKey is missing; give the key of the worker at url, or set AGENT_LIGHTNING_WORKER_KEY in the environment.',
      { code: 'option-invalid' },
    );
  }
  return { url: resolveUrl('gpu: url', options.url ?? ''), apiKey, modelName: basename(model) };
}

function resolveSampling(
  { vllm, device }: GpuOptions,
  lora: LoraSpec,
  environment: NodeJS.ProcessEnv,
): ResolvedVllm | undefined {
  if (vllm === undefined) return undefined;
  if (lora.rank === 0) {
    throw new ConfigurationError(
      "gpu: vllm takes adapters only, and lora is 'full': give lora a rank, or leave vllm out, and the worker samples.",
      { code: 'option-unsupported' },
    );
  }
  return resolveVllm(vllm === true ? {} : vllm, environment, device);
}

function useless(name: string, reason: string): ConfigurationError {
  return new ConfigurationError(`gpu: ${name} would be ignored: ${reason}; leave it out.`, {
    code: 'option-unsupported',
  });
}
