/** Defines `gpu({ model })`: the worker that ships with this package trains policies on a GPU of this machine, and it or vLLM samples. */
import type { TrainingBackend } from '@agent-lightning/core';
import { connect, type Connection, TinkerBackend } from '@agent-lightning/tinker';
import { createVllmPublisher } from '../vllm/create-vllm-publisher.ts';
import { findPython } from '../setup/find-python.ts';
import { resolveGpuOptions, type GpuOptions, type ResolvedGpuOptions } from './gpu-options.ts';
import { startWorker, type RunningWorker } from './worker-process.ts';

/** The time for which calls to a worker of this process are tried again: it is up or gone, so that there is little to wait for. */
const ownWorkerRetryMs = 30_000;
const remoteRetryMs = 300_000;

/**
 * Makes a training backend on one GPU, or on the CPU: PyTorch in a process of its own, started with the first call that needs it.
 * `close`, the end of an `await using` block, or the end of this process ends it; an idle worker keeps no process alive. With `url`,
 * the backend attaches to a worker that already runs.
 * @throws {ConfigurationError} `option-invalid` | `option-unsupported`, naming the option; a missing Python or model is named
 *   by the first call that needs it
 */
export function gpu(options: GpuOptions): TrainingBackend & AsyncDisposable {
  const resolved = resolveGpuOptions(options);
  let worker: RunningWorker | undefined;
  const isOwn = !('url' in resolved.worker);
  return new TinkerBackend({
    name: 'gpu',
    open: async () => {
      if ('url' in resolved.worker) return await attach(resolved, resolved.worker);
      worker = await start(resolved, resolved.worker);
      try {
        return await connectTo(resolved, worker.url, worker.apiKey, undefined, worker.died);
      } catch (error) {
        await worker.stop(); // the next try starts another
        throw error;
      }
    },
    lora: resolved.lora,
    serverAdam: {},
    logger: resolved.logger,
    ...(isOwn ? { closeServer: async () => worker?.stop() } : {}),
  });
}

type Start = Exclude<ResolvedGpuOptions['worker'], { url: string }>;
type Attach = Extract<ResolvedGpuOptions['worker'], { url: string }>;

async function start({ logger, signal }: ResolvedGpuOptions, options: Start): Promise<RunningWorker> {
  const { arguments: flags, startTimeoutMs } = options;
  const python = findPython(options.python);
  return await startWorker({ python, arguments: flags, logger, startTimeoutMs, signal });
}

async function attach(resolved: ResolvedGpuOptions, { url, apiKey, modelName }: Attach): Promise<Connection> {
  return await connectTo(resolved, url, apiKey, modelName, undefined);
}

async function connectTo(
  { model, lora, vllm, contextLength, timeoutMs, logger, signal: given }: ResolvedGpuOptions,
  url: string,
  apiKey: string,
  modelName: string | undefined,
  died: AbortSignal | undefined,
): Promise<Connection> {
  const signals = [given, died].filter((each) => each !== undefined);
  const signal = signals.length === 0 ? undefined : AbortSignal.any(signals);
  const { fetch } = globalThis;
  return await connect({
    http: { url, apiKey, fetch },
    serverKind: 'worker',
    model: modelName,
    tokenizer: model,
    contextLength,
    timeoutMs,
    retryForMs: died === undefined ? remoteRetryMs : ownWorkerRetryMs,
    logger,
    signal,
    ...(vllm === undefined
      ? {}
      : { createPublisher: createVllmPublisher({ options: vllm, loraRank: lora.rank, logger, signal, fetch }) }),
  });
}
