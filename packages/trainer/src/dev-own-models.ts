/** A dry run on the models that agents ask today: what it sees, and what it can tell. */
import { attributeNames, type Episode, type Examination, type Span } from '@agent-lightning/core';
import { countGroupsWithVariance } from './groups-with-variance.ts';

/** The calls of one agent to one model of its own. */
export interface OwnModelCalls {
  /** The most specific name of the agent. */
  readonly agent: string;
  /** The name of the model as the agent asked for it; empty where its framework does not tell. */
  readonly model: string;
  readonly calls: number;
  /** Calls that ended with an error. */
  readonly failed: number;
}

/** Counts the model calls that adapters followed, most calls first. */
export function countOwnCalls(spans: readonly Span[]): readonly OwnModelCalls[] {
  const counts = new Map<string, OwnModelCalls>();
  for (const { kind, attributes, status } of spans) {
    if (kind !== 'model_call' || attributes[attributeNames.isJudge] === true) continue;
    const { [attributeNames.agentNames]: names, [attributeNames.requestModel]: asked } = attributes;
    const agent = Array.isArray(names) ? String(names[0] ?? '') : '';
    const model = typeof asked === 'string' ? asked : '';
    const key = JSON.stringify([agent, model]);
    const { calls, failed } = counts.get(key) ?? { calls: 0, failed: 0 };
    counts.set(key, { agent, model, calls: calls + 1, failed: failed + (status.code === 'error' ? 1 : 0) });
  }
  return [...counts.values()].toSorted((one, other) => other.calls - one.calls);
}

/** Examines rollouts on the agents' own models: agents must have run and called models, and rewards must tell better from worse somewhere. */
export function examineOwnModels(episodes: readonly Episode[], calls: readonly OwnModelCalls[]): Examination {
  const succeeded = episodes.filter(({ rollout }) => rollout.status === 'succeeded');
  if (succeeded.length === 0) return { ok: false, findings: [] }; // every dry run tells its failures
  const findings = calls.length === 0 ? [noCalls] : [];
  const rewards = succeeded.flatMap(({ reward }) => reward ?? []);
  if (rewards.length < succeeded.length)
    findings.push(
      `${succeeded.length - rewards.length} of ${succeeded.length} rollouts that succeeded have no reward; return a number from the rollout function, or call emitReward in it`,
    );
  const differ = new Set(rewards).size > 1;
  if (differ && countGroupsWithVariance(succeeded) === 0) findings.push(evenGroups);
  if (new Set(rewards).size === 1)
    findings.push(
      `every reward is ${rewards[0]}: a reward that never differs teaches nothing; look at the reward function, or give tasks that the agent solves sometimes`,
    );
  return { ok: calls.length > 0 && differ, findings };
}

const noCalls =
  'no agent that an adapter follows called a model: wrap the agent by withLightning and run the agent that it returns; an agent without a framework sends its calls to context.llm, which only a backend answers';

const evenGroups =
  'rewards differ between tasks and not between the rollouts of one task: training compares rollouts of one task, and a smaller model, sampled with a temperature, will answer them less evenly';
