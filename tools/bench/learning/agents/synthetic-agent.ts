import type { Episode } from '@agent-lightning/core';

/** An agent whose model calls choose one of a few replies: the smallest thing that has tasks, calls, states and rewards. */
export interface SyntheticAgent {
  readonly name: string;
  /** Tasks are the numbers from 0 to below this. */
  readonly tasks: number;
  /** Replies that each call chooses from. */
  readonly replies: number;
  /** The name of each model call's node, in order, and thereby the number of calls. */
  readonly nodes: readonly string[];
  /** Returns the reward for the replies to a task, from 0 to 1. */
  reward(task: number, replies: readonly number[]): number;
}

const right = (task: number, node: number): number => (task * 7 + node * 3) % 4;
const isRight = (task: number, node: number, reply: number): boolean => reply === right(task, node);
const nodesOf = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => `node ${index}`);

/** Six calls, of which one decides. */
export const needle: SyntheticAgent = {
  name: 'needle',
  tasks: 8,
  replies: 4,
  nodes: nodesOf(6),
  reward: (task, replies) => (isRight(task, 3, replies[3]!) ? 1 : 0),
};

/** Twelve calls, of which two decide. */
export const chain: SyntheticAgent = {
  name: 'chain',
  tasks: 8,
  replies: 4,
  nodes: nodesOf(12),
  reward: (task, replies) => (isRight(task, 2, replies[2]!) && isRight(task, 8, replies[8]!) ? 1 : 0),
};

/** Six calls, each of which earns a sixth. */
export const sum: SyntheticAgent = {
  name: 'sum',
  tasks: 8,
  replies: 4,
  nodes: nodesOf(6),
  reward: (task, replies) => replies.filter((reply, node) => isRight(task, node, reply)).length / replies.length,
};

/** A call of a made-up rollout. */
export interface ToyCall {
  readonly reward?: number;
  readonly failedTools?: number;
}

/** Returns an episode of calls of one agent in sequence, each with a prompt and a reply of one token. */
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
      agentName: 'agent',
      policy: 'policy',
      policyVersion: 0,
      promptIds: Int32Array.of(0),
      responseIds: Int32Array.of(1),
      logprobs: Float32Array.of(-1),
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
