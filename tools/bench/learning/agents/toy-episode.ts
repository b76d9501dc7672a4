import type { Episode } from '@agent-lightning/core';

/** A call of a made-up rollout. */
export interface ToyCall {
  readonly reward?: number;
  readonly failedTools?: number;
  /** @default 'agent' */
  readonly agentName?: string;
  /** @default one token, 0 */
  readonly promptIds?: Int32Array;
  /** The only token of the response. @default 1 */
  readonly reply?: number;
  /** @default -1 */
  readonly logprob?: number;
}

/** Returns an episode of calls in sequence, each with a reply of one token. */
export function toyEpisode(rolloutId: string, groupId: string, reward: number, calls: readonly ToyCall[]): Episode {
  return {
    rollout: {
      rolloutId,
      groupId,
      input: groupId,
      mode: 'train',
      status: 'succeeded',
      queue: 'default',
      priority: 0,
      retry: { maxAttempts: 1, retryOn: [], backoffMs: 0, maxBackoffMs: 0 },
      timeouts: {},
      metadata: {},
      attemptCount: 1,
      createdAtMs: 0,
      availableAtMs: 0,
    },
    transitions: calls.map((call, callIndex) => ({
      rolloutId,
      attemptId: `${rolloutId}, attempt 1`,
      spanId: `${callIndex}`,
      sequenceId: callIndex + 1,
      callIndex,
      agentName: call.agentName ?? 'agent',
      policy: 'policy',
      policyVersion: 0,
      promptIds: call.promptIds ?? Int32Array.of(0),
      responseIds: Int32Array.of(call.reply ?? 1),
      logprobs: Float32Array.of(call.logprob ?? -1),
      finishReason: 'stop',
      reward: call.reward,
      signals: Array.from(
        { length: call.failedTools ?? 0 },
        () => ({ type: 'tool_error', name: 'tool', spanId: 't' }) as const,
      ),
    })),
    untrainable: [],
    reward,
    rewards: { primary: reward },
  };
}
