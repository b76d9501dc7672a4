/** Opens the servers that the options describe: they are up, checked, and ready for adapters. */
import { randomBytes } from 'node:crypto';
import type { Logger } from '@agent-lightning/core';
import type { Clock } from '@agent-lightning/platform';
import { serveArguments, serveEnvironment, type ServedModel } from './serve-arguments.ts';
import { compareModels, type MeasuredPrompt } from './compare-models.ts';
import { VllmClient } from './vllm-client.ts';
import { VllmFleet } from './vllm-fleet.ts';
import type { ResolvedVllm } from './vllm-options.ts';
import { freePort, VllmProcess } from './vllm-process.ts';
import { VllmServer } from './vllm-server.ts';

export interface OpenFleetParts {
  readonly options: ResolvedVllm;
  readonly model: ServedModel;
  /** Measures a prompt in the worker; servers that somebody else started are compared with it. @default none is compared */
  readonly measurePrompt?: () => Promise<MeasuredPrompt | undefined>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly fetch: typeof globalThis.fetch;
  /** A signal that ends every wait and every watch; its reason is the error. */
  readonly signal: AbortSignal;
}

/**
 * Starts or attaches to the servers; on an error, none that was started is left running.
 * @throws {ConfigurationError} `option-unsupported`, naming a flag that a server lacks, or for another model; `command-unavailable`
 * @throws {BackendError} `backend-failed` when one does not come up
 */
export async function openFleet(parts: OpenFleetParts): Promise<VllmFleet> {
  const { options, clock, logger, fetch, signal } = parts;
  const { awayTimeoutMs, maxLoras, liveSnapshots } = options;
  const { urls, apiKey, process, startTimeoutMs } = await (options.kind === 'attach'
    ? { urls: options.urls, apiKey: options.apiKey, process: undefined, startTimeoutMs: awayTimeoutMs }
    : prepareProcess({ ...parts, options }));
  try {
    const clients = urls.map((url) => new VllmClient({ url, apiKey, fetch }));
    const shared = { process, clock, logger, startTimeoutMs, awayTimeoutMs, signal };
    if (options.kind === 'attach') await Promise.all(clients.map((client) => client.refuseProxy()));
    const servers = await Promise.all(clients.map((client) => VllmServer.open({ client, ...shared })));
    const prompt = options.kind === 'attach' ? await parts.measurePrompt?.() : undefined;
    if (prompt !== undefined)
      await Promise.all(clients.map((client, index) => compareModels(client, servers[index]!.base, prompt, logger)));
    const drainTimeoutMs = awayTimeoutMs;
    return new VllmFleet({ servers, apiKey, liveSnapshots, maxLoras, drainTimeoutMs, clock, logger, signal });
  } catch (error) {
    await process?.stop();
    throw error;
  }
}

async function prepareProcess({
  options,
  model,
}: OpenFleetParts & { readonly options: Extract<ResolvedVllm, { kind: 'start' }> }): Promise<{
  readonly urls: readonly string[];
  readonly apiKey: string;
  readonly process: VllmProcess;
  readonly startTimeoutMs: number;
}> {
  const port = options.port ?? (await freePort());
  const apiKey = randomBytes(24).toString('base64url');
  const process = new VllmProcess({
    command: options.command[0]!,
    args: serveArguments(options, model, port),
    env: serveEnvironment(options, apiKey),
  });
  return { urls: [`http://127.0.0.1:${port}`], apiKey, process, startTimeoutMs: options.startTimeoutMs };
}
