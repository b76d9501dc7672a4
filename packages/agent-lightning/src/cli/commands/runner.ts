import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { LightningError, type JsonValue, type Logger } from '@agent-lightning/core';
import { connectGateway, type RemoteGateway } from '@agent-lightning/gateway';
import { Runner, type RolloutFunction, type RunnerSummary } from '@agent-lightning/runner';
import { connectStore, type RemoteStore } from '@agent-lightning/store';
import { loadRollout } from '../../config/load-config.ts';
import { findKey, keyVariable } from '../../stored/open-store.ts';
import { defineCommand, runAs, type Invocation } from '../define-command.ts';
import { readWholeNumber } from '../read-number.ts';

interface RunnerCommandOptions {
  readonly server: string;
  readonly concurrency: number;
  readonly queue?: readonly string[];
  readonly run?: string;
  readonly workerId?: string;
  readonly gateway?: string;
  readonly attemptTimeoutMs?: number;
  readonly leaseMs: number;
  readonly outbox?: string;
}

/** The variable of the environment that holds the key of a trainer's own gateway. */
const gatewayKeyVariable = 'AGENT_LIGHTNING_GATEWAY_KEY';

/** Adds `runner`, which runs an agent on what a server has queued. */
export function addRunnerCommand(program: Command): void {
  const command = defineCommand(program, {
    usage: 'runner <agent>',
    summary: 'run an agent on the rollouts that a server has queued',
    details:
      'The agent is a file whose default export is the function that runs it on one task and returns the reward, or a lightning.config.ts. ' +
      'Any number of runners on any machines share the work. One that cannot reach the server waits and goes on; what it has not delivered yet it delivers then. ' +
      `The key, of role runner, is in ${keyVariable}, or before the host of the address. At Ctrl+C it finishes the rollouts that run; a second Ctrl+C ends it at once.`,
    examples: [
      ['agent-lightning runner agent.ts --server http://10.0.0.5:4747 --concurrency 8', 'eight rollouts at once'],
      [
        'agent-lightning runner agent.ts --server http://10.0.0.5:4747 --gateway server',
        'model calls go to the gateway that the server has (serve --gateway)',
      ],
    ],
  })
    .requiredOption('--server <url>', 'the address of agent-lightning serve')
    .option('--concurrency <number>', 'rollouts that run at once', readWholeNumber(1), 1)
    .option('--queue <names...>', 'the queues to claim from (default: default)')
    .option('--run <id>', 'claim rollouts of this run alone')
    .option('--worker-id <name>', 'the name of this runner; no two may share one (default: made of host and process)')
    .option(
      '--gateway <url>',
      `where model calls of the agent go: server, or the address of a gateway, its key in ${gatewayKeyVariable} (default: the agent asks its own models)`,
    )
    .option('--attempt-timeout-ms <milliseconds>', 'the longest time of one attempt', readWholeNumber(1))
    .option(
      '--lease-ms <milliseconds>',
      'the time without a sign of life after which others take over',
      readWholeNumber(100),
      30_000,
    )
    .option('--outbox <directory>', 'keep what could not be delivered in files there, which the next start delivers');
  runAs<RunnerCommandOptions>(command, async (invocation) => {
    const { options, terminal } = invocation;
    const rollout = await loadRollout(findAgent(invocation));
    const access = { url: options.server, ...findKey(options.server, terminal.environment) };
    const store = connectStore({
      ...access,
      ...(options.outbox !== undefined && { outbox: { directory: resolve(terminal.directory, options.outbox) } }),
    });
    try {
      return await work(invocation, rollout, store);
    } finally {
      await store.close();
    }
  });
}

async function work(
  invocation: Invocation<RunnerCommandOptions>,
  rollout: RolloutFunction<JsonValue>,
  store: RemoteStore,
) {
  const { options, terminal, logger } = invocation;
  const gateway = openGateway(invocation, store);
  if (gateway !== undefined) await checkGateway(gateway, logger);
  const { queue, run, workerId, attemptTimeoutMs, concurrency, leaseMs } = options;
  const runner = new Runner({
    store,
    rollout,
    concurrency,
    leaseMs,
    ...(gateway !== undefined && { gateway }),
    ...(queue !== undefined && { queues: queue }),
    ...(run !== undefined && { runId: run }),
    ...(workerId !== undefined && { workerId }),
    ...(attemptTimeoutMs !== undefined && { attemptTimeoutMs }),
    onError: tellOutages(logger),
  });
  logger.info(`runner ${runner.workerId} works for ${store.url}`);
  const summary = await workUntil(runner, terminal.interruption());
  return { text: describeSummary(summary), json: { workerId: runner.workerId, ...summary } };
}

/** Runs until the signal aborts; the rollouts that run then are finished. */
async function workUntil(runner: Runner, signal: AbortSignal): Promise<RunnerSummary> {
  const running = runner.run();
  const onAbort = (): void => void runner.stop();
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  return await running.finally(() => signal.removeEventListener('abort', onAbort));
}

function findAgent({ arguments: [given], terminal, refuse }: Invocation<RunnerCommandOptions>): string {
  const path = resolve(terminal.directory, given!);
  return existsSync(path) ? path : refuse(`there is no file ${path}; name the file that exports the rollout function`);
}

function openGateway(
  { options: { gateway, server }, terminal, refuse }: Invocation<RunnerCommandOptions>,
  store: RemoteStore,
): RemoteGateway | undefined {
  if (gateway === undefined) return undefined;
  const isServers = gateway === 'server';
  const { username, password } = new URL(server);
  const serverKey = decodeURIComponent(password || username) || terminal.environment[keyVariable];
  const adminKey = isServers ? serverKey : terminal.environment[gatewayKeyVariable];
  if (adminKey === undefined || adminKey === '')
    return refuse(
      isServers
        ? `--gateway server takes the key of the server in ${keyVariable}`
        : `--gateway ${gateway} takes its key in ${gatewayKeyVariable}`,
    );
  return connectGateway({ url: isServers ? store.url : gateway, adminKey });
}

/** Ends the command before it claims anything, where the gateway would open no attempt for it. One that is away may come. */
async function checkGateway(gateway: RemoteGateway, logger: Logger): Promise<void> {
  try {
    await gateway.checkAccess();
  } catch (error) {
    if (!LightningError.isInstance(error) || !error.retryable) throw error;
    logger.warn(`${describe(error)}; rollouts wait for it`);
  }
}

/** Returns what tells of errors: one that repeats itself, as while a server is away, once a minute. */
function tellOutages(logger: Logger): (error: unknown) => void {
  const toldAtMs = new Map<string, number>();
  return (error) => {
    const text = describe(error);
    const nowMs = performance.now();
    const isPassing = LightningError.isInstance(error) && error.retryable;
    if (isPassing && nowMs - (toldAtMs.get(text) ?? -Infinity) < 60_000) return;
    toldAtMs.set(text, nowMs);
    logger.warn(isPassing ? `${text}; the runner waits and tries again` : text);
    if (toldAtMs.size > 100) toldAtMs.delete(toldAtMs.keys().next().value!);
  };
}

function describeSummary(summary: RunnerSummary): string {
  const counts = Object.entries(summary).filter(([, count]) => count > 0);
  return counts.length === 0 ? 'no rollouts' : counts.map(([status, count]) => `${count} ${status}`).join(', ');
}

function describe(error: unknown): string {
  return LightningError.isInstance(error) ? `${error.message} (${error.code})` : String(error);
}
