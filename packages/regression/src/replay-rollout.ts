import { attributeNames, check, toEpisode, type Failure, type JsonValue } from '@agent-lightning/core';
import { Gateway } from '@agent-lightning/gateway';
import { Runner, type RolloutFunction } from '@agent-lightning/runner';
import { MemoryStore } from '@agent-lightning/store';
import type { RecordedRollout } from './recording.ts';
import { ReplayServer } from './replay-server.ts';

export interface ReplayOptions<Task = JsonValue> {
  /** Runs the agent on one task and returns the reward, as of a `Trainer`. */
  readonly rollout: RolloutFunction<Task>;
  /** Patterns of what changes from run to run in a prompt, such as a date; it does not count when a recorded answer is looked for. @default none */
  readonly ignore?: readonly RegExp[];
  /** The longest time of a rollout, in milliseconds. @default 60_000 */
  readonly attemptTimeoutMs?: number;
}

/** A recorded rollout that was run again. */
export interface ReplayedRollout {
  /** Undefined when it failed or gave none. */
  readonly reward: number | undefined;
  readonly failure: Failure | undefined;
  /** Sentences that name requests which were never recorded. */
  readonly missing: readonly string[];
  /** The number of recorded answers that the agent did not ask for any more. */
  readonly unused: number;
  /** Hosts that model calls went to past the recording; those cost. */
  readonly outsideHosts: readonly string[];
}

/**
 * Runs the agent again on the task of a recorded rollout; its model calls get the recorded answers. No model is asked.
 * @throws {ConfigurationError} `option-invalid`
 */
export async function replayRollout<Task = JsonValue>(
  recorded: RecordedRollout,
  options: ReplayOptions<Task>,
): Promise<ReplayedRollout> {
  check.knownOptions('replayRollout', options, ['rollout', 'ignore', 'attemptTimeoutMs']);
  const { ignore = [], attemptTimeoutMs = 60_000 } = options;
  const server = await ReplayServer.start(recorded, ignore);
  const store = new MemoryStore();
  const gateway = await Gateway.start({ store });
  try {
    gateway.publish('policy', { kind: 'openai', version: 0, baseUrl: server.baseUrl, model: 'recorded' });
    const runner = new Runner<Task>({
      store,
      gateway,
      rollout: options.rollout,
      attemptTimeoutMs,
      openTelemetry: false,
    });
    const { resources, input, mode, rolloutId } = recorded;
    const resourcesId = 'recorded';
    if (Object.keys(resources).length > 0) await store.putResources(resourcesId, resources);
    await store.enqueue([{ rolloutId, input, mode, ...(Object.keys(resources).length > 0 && { resourcesId }) }]);
    const running = runner.run();
    const [ended] = await store.waitFor([rolloutId]);
    await runner.stop();
    await running;
    const spans = await store.querySpans({ rolloutIds: [rolloutId], includeTokens: true });
    const hosts = spans.flatMap(({ attributes }) => attributes[attributeNames.outsideHost] ?? []);
    return {
      reward: ended!.status === 'succeeded' ? toEpisode(ended!, spans).reward : undefined,
      failure: ended!.failure,
      missing: server.missing,
      unused: server.unused,
      outsideHosts: [...new Set(hosts.map(String))],
    };
  } finally {
    await gateway.close();
    await Promise.all([store.close(), server.close()]);
  }
}
