import {
  buildBatch,
  seededRandom,
  type Episode,
  type LightningBatch,
  type LightningRLOptions,
} from '@agent-lightning/core';
import type { SyntheticAgent } from './synthetic-agent.ts';
import { TablePolicy } from './table-policy.ts';

export interface SyntheticTraining {
  readonly seed: number;
  readonly learningRate: number;
  /** Training ends when the expected reward reaches it. */
  readonly target: number;
  readonly mostRollouts: number;
  readonly options?: Partial<LightningRLOptions>;
  /** Changes the reward that training sees, as a noisy judge does. @default as it is */
  readonly judge?: (reward: number, random: () => number) => number;
}

const groupSize = 8;
const passes = 4;
const ppo = { name: 'ppo', clipLow: 0.8, clipHigh: 1.28, dualClip: 3 } as const;

/** Trains a synthetic agent with 8 rollouts of each of its tasks a step, 4 passes a batch; returns the rollouts that it took, or undefined where it did not arrive. */
export function trainSynthetic(agent: SyntheticAgent, training: SyntheticTraining): number | undefined {
  const random = seededRandom(training.seed, agent.name);
  const policy = new TablePolicy(agent.tasks * agent.nodes.length, agent.replies);
  let seen: Pick<LightningBatch, 'rewardRange' | 'nodeStatistics'> = {};
  for (let rollouts = 0; rollouts < training.mostRollouts;) {
    const episodes = sampleEpisodes(agent, policy, random, training.judge);
    rollouts += episodes.length;
    const batch = buildBatch(episodes, {
      credit: 'identical',
      estimator: 'grpo',
      samples: 'transition',
      tokenWeighting: 'rollout',
      ...training.options,
      ...(seen.rewardRange === undefined ? {} : { rewardRange: seen.rewardRange }),
      ...(seen.nodeStatistics === undefined ? {} : { nodeStatistics: seen.nodeStatistics }),
    });
    seen = batch;
    if (batch.samples.length > 0)
      for (let pass = 0; pass < passes; pass += 1) policy.step(batch.samples, ppo, training.learningRate);
    if (measureReward(agent, policy, training.seed) >= training.target) return rollouts;
  }
  return undefined;
}

function sampleEpisodes(
  agent: SyntheticAgent,
  policy: TablePolicy,
  random: () => number,
  judge: SyntheticTraining['judge'] = (reward) => reward,
): readonly Episode[] {
  return Array.from({ length: agent.tasks * groupSize }, (_, index) => {
    const task = index % agent.tasks;
    const { replies, logprobs } = actOnce(agent, policy, task, random);
    const reward = judge(agent.reward(task, replies), random);
    return toEpisode(agent, { index, task, replies, logprobs, reward });
  });
}

interface Acted {
  readonly replies: readonly number[];
  readonly logprobs: readonly number[];
}

function actOnce(agent: SyntheticAgent, policy: TablePolicy, task: number, random: () => number): Acted {
  const chosen = agent.nodes.map((_, node) => {
    const probabilities = policy.probabilities(stateOf(agent, task, node));
    let rest = random();
    const reply = probabilities.findIndex((probability) => (rest -= probability) < 0);
    const certain = reply < 0 ? probabilities.length - 1 : reply;
    return [certain, Math.log(probabilities[certain]!)] as const;
  });
  return { replies: chosen.map(([reply]) => reply), logprobs: chosen.map(([, logprob]) => logprob) };
}

/** Returns the mean reward of many rollouts of each task, by draws of their own: those of training go on as if nothing was measured. */
function measureReward(agent: SyntheticAgent, policy: TablePolicy, seed: number): number {
  const random = seededRandom(seed, `${agent.name}/measured`);
  const count = 64 * agent.tasks;
  let total = 0;
  for (let index = 0; index < count; index += 1) {
    const task = index % agent.tasks;
    total += agent.reward(task, actOnce(agent, policy, task, random).replies);
  }
  return total / count;
}

function stateOf(agent: SyntheticAgent, task: number, node: number): number {
  return task * agent.nodes.length + node;
}

function toEpisode(
  agent: SyntheticAgent,
  acted: Acted & { readonly index: number; readonly task: number; readonly reward: number },
): Episode {
  const rolloutId = `rollout ${acted.index}`;
  return {
    rollout: {
      rolloutId,
      groupId: `task ${acted.task}`,
      input: acted.task,
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
    transitions: acted.replies.map((reply, node) => ({
      rolloutId,
      attemptId: `${rolloutId}, attempt 1`,
      spanId: `${node}`,
      sequenceId: node + 1,
      callIndex: node,
      agentName: agent.nodes[node]!,
      policy: 'policy',
      policyVersion: 0,
      promptIds: Int32Array.of(stateOf(agent, acted.task, node)),
      responseIds: Int32Array.of(reply),
      logprobs: Float32Array.of(acted.logprobs[node]!),
      finishReason: 'stop',
      reward: undefined,
      signals: [],
    })),
    untrainable: [],
    reward: acted.reward,
    rewards: { primary: acted.reward },
  };
}
