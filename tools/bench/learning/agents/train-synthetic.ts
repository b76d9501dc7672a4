import {
  buildBatch,
  randomOrder,
  seededRandom,
  type Episode,
  type LightningBatch,
  type LightningRLOptions,
} from '@agent-lightning/core';
import type { ReplyPolicy } from './reply-policy.ts';
import type { SyntheticAgent } from './synthetic-agent.ts';
import { TablePolicy } from './table-policy.ts';
import { TokenNetwork } from './token-network.ts';
import { toyEpisode, type ToyCall } from './toy-episode.ts';
import { updatesOf } from './update-policy.ts';

export interface SyntheticTraining {
  readonly seed: number;
  /** A rate for four passes over each batch, or 'auto' for updates that size themselves as the trainer's do. */
  readonly learningRate: number | 'auto';
  /** Training ends when the expected reward reaches it. */
  readonly target: number;
  readonly mostRollouts: number;
  readonly options?: Partial<LightningRLOptions>;
  /** Changes the reward that training sees, as a noisy judge does. @default as it is */
  readonly judge?: (reward: number, random: () => number) => number;
  /** Gives each rollout the failed tools of a rollout of the step that chance picks: the control of intermediate rewards. @default false */
  readonly shuffleSignals?: boolean;
  /** A network whose parameters all calls share, or a table in which no call learns from another. @default 'network' */
  readonly policy?: 'network' | 'table';
}

const groupSize = 8;
/** Rollouts of each task by which a policy is measured. */
const measuredRollouts = 32;

/** Trains a synthetic agent with 8 rollouts of each of its tasks a step; returns the rollouts that it took, or undefined where it did not arrive. */
export async function trainSynthetic(agent: SyntheticAgent, training: SyntheticTraining): Promise<number | undefined> {
  const random = seededRandom(training.seed, agent.name);
  const policy = createPolicy(agent, training);
  const halves = seededRandom(training.seed, 'halves');
  const update = updatesOf(policy, training.learningRate, agent.tasks * groupSize, halves);
  let seen: Pick<LightningBatch, 'rewardRange' | 'nodeStatistics'> = {};
  for (let rollouts = 0; rollouts < training.mostRollouts;) {
    const episodes = sampleEpisodes(agent, policy, training, random);
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
    if (batch.samples.length > 0) await update(batch);
    if (measureReward(agent, policy, training.seed) >= training.target) return rollouts;
  }
  return undefined;
}

function createPolicy(agent: SyntheticAgent, { seed, policy }: SyntheticTraining): ReplyPolicy {
  if (policy === 'table') return new TablePolicy(agent.tasks * agent.nodes.length * (agent.replies + 1), agent.replies);
  const vocabulary = agent.tasks + agent.nodes.length + agent.replies;
  return new TokenNetwork(vocabulary, agent.replies, seededRandom(seed, 'network'));
}

function sampleEpisodes(
  agent: SyntheticAgent,
  policy: ReplyPolicy,
  { judge = (reward) => reward, shuffleSignals = false }: SyntheticTraining,
  random: () => number,
): readonly Episode[] {
  const acted = Array.from({ length: agent.tasks * groupSize }, (_, index) => {
    const { reward, calls } = runOnce(agent, policy, index % agent.tasks, random);
    return { reward: judge(reward, random), calls };
  });
  const order = shuffleSignals ? randomOrder(acted.length, random) : undefined;
  return acted.map(({ reward, calls }, index) =>
    toyEpisode(
      `rollout ${index}`,
      `task ${index % agent.tasks}`,
      reward,
      order === undefined ? calls : withFailures(calls, countFailures(acted[order[index]!]!.calls)),
    ),
  );
}

function countFailures(calls: Acted['calls']): number {
  return calls.reduce((sum, { failedTools }) => sum + failedTools, 0);
}

/** Returns the calls with this many failed tools, all at the first: how many calls there are must tell nothing. */
function withFailures(calls: Acted['calls'], failedTools: number): Acted['calls'] {
  return calls.map((call, index) => ({ ...call, failedTools: index === 0 ? failedTools : 0 }));
}

interface Acted {
  readonly reward: number;
  readonly calls: readonly (ToyCall & { readonly failedTools: number })[];
}

function runOnce(agent: SyntheticAgent, policy: ReplyPolicy, task: number, random: () => number): Acted {
  const calls: (ToyCall & { failedTools: number })[] = [];
  const reward = agent.run(task, {
    ask: (node, earlier) => {
      const promptIds = promptOf(agent, task, node, earlier);
      const probabilities = policy.probabilities(promptIds);
      const reply = draw(probabilities, random());
      const logprob = Math.log(probabilities[reply]!);
      calls.push({ agentName: agent.nodes[node]!, promptIds, reply, logprob, failedTools: 0 });
      return reply;
    },
    failTool: () => {
      calls.at(-1)!.failedTools += 1;
    },
  });
  return { reward, calls };
}

/** Returns a prompt: one token for the task, one for the node, and one for the earlier reply that the call is told of. */
function promptOf({ tasks, nodes }: SyntheticAgent, task: number, node: number, earlier?: number): Int32Array {
  return earlier === undefined
    ? Int32Array.of(task, tasks + node)
    : Int32Array.of(task, tasks + node, tasks + nodes.length + earlier);
}

function draw(probabilities: Float64Array, uniform: number): number {
  let rest = uniform;
  for (let reply = 0; reply < probabilities.length; reply += 1) {
    rest -= probabilities[reply]!;
    if (rest < 0) return reply;
  }
  return probabilities.length - 1;
}

/** Returns the mean reward of many rollouts of each task, by draws of their own: those of training go on as if nothing was measured. */
function measureReward(agent: SyntheticAgent, policy: ReplyPolicy, seed: number): number {
  const random = seededRandom(seed, `${agent.name}/measured`);
  let total = 0;
  for (let task = 0; task < agent.tasks; task += 1)
    for (let rollout = 0; rollout < measuredRollouts; rollout += 1)
      total += agent.run(task, {
        ask: (node, earlier) => draw(policy.probabilities(promptOf(agent, task, node, earlier)), random()),
        failTool: () => undefined,
      });
  return total / (measuredRollouts * agent.tasks);
}
