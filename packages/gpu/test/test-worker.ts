import { startWorker, type RunningWorker } from '../src/worker/worker-process.ts';

/** Starts a worker on the CPU, with one thread, on a model directory. */
export async function startTestWorker(python: string, model: string, stateDirectory: string): Promise<RunningWorker> {
  return await startWorker({
    python,
    arguments: ['--model', model, '--device', 'cpu', '--state-dir', stateDirectory, '--threads', '1'],
    logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
    startTimeoutMs: 300_000,
    signal: undefined,
  });
}
