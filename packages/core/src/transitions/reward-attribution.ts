import { LightningError } from '../errors.ts';
import { readReward, type Reward } from '../vocabulary/reward-span.ts';
import type { Span } from '../vocabulary/span.ts';
import type { CallTrace, ModelCall } from './model-calls.ts';
import { causingCall, isInside } from './step-signals.ts';
import type { TraceProblem } from './transition.ts';

/** The rewards of one attempt, given to the rollout and to its calls. */
export interface AttributedRewards {
  /** The last reward of scope `rollout`: a later one replaces an earlier one, as late feedback must. */
  readonly rollout: Reward | undefined;
  /** The rewards by call, as sums of primary dimensions: one target's later reward replaces its earlier one on the same call, different targets add up. */
  readonly calls: ReadonlyMap<ModelCall, number>;
  /** The sum of the rewards of all calls that may not be rewarded; undefined when there is none. */
  readonly untrained: number | undefined;
  readonly problems: readonly TraceProblem[];
}

/**
 * Gives each reward to what it is for, in order of sequence id.
 *
 * - `rollout`: the rollout.
 * - `agent`: of the agent's calls that may be rewarded, the last one before the reward, or the first one when none came before; of
 *   all its calls when none may be.
 * - `span`: the call with that span id; else the last call inside that span; else the call that the span is below or followed.
 *
 * A reward goes to one call, never to several, so that the sum of all rewards is the episode's return. One for a
 * call that is not trained on is the rollout's: it is not moved to another call, and not lost.
 * @param calls the calls that may be rewarded
 */
export function attributeRewards(
  spans: readonly Span[],
  trace: CallTrace,
  calls: readonly ModelCall[],
): AttributedRewards {
  let rollout: Reward | undefined;
  const byTarget = new Map<ModelCall, Map<string, number>>();
  const problems: TraceProblem[] = [];
  for (const span of spans.toSorted((a, b) => a.sequenceId - b.sequenceId)) {
    const reward = read(span, problems);
    if (reward === undefined) continue;
    if (reward.scope === 'rollout') {
      rollout = reward;
      continue;
    }
    const call =
      reward.scope === 'agent'
        ? (callOfAgent(reward.target!, span, calls) ?? callOfAgent(reward.target!, span, trace.calls))
        : callOfSpan(reward.target!, trace);
    if (call === undefined) {
      problems.push({
        spanId: span.spanId,
        reason: `a reward for ${reward.scope} "${reward.target}", which made no call`,
      });
      continue;
    }
    const rewards = byTarget.get(call) ?? new Map<string, number>();
    byTarget.set(call, rewards.set(`${reward.scope}:${reward.target}`, reward.dimensions[0]!.value));
  }
  const sums = [...byTarget].map(([call, rewards]): [ModelCall, number] => [
    call,
    [...rewards.values()].reduce((sum, value) => sum + value, 0),
  ]);
  return {
    rollout,
    calls: new Map(sums.filter(([call]) => calls.includes(call))),
    untrained: sums.reduce<number | undefined>(
      (total, [call, sum]) => (calls.includes(call) ? total : (total ?? 0) + sum),
      undefined,
    ),
    problems,
  };
}

/** Reads the reward of a span; a malformed reward becomes a problem and changes nothing else. */
function read(span: Span, problems: TraceProblem[]): Reward | undefined {
  try {
    return readReward(span);
  } catch (error) {
    if (!LightningError.isInstance(error)) throw error;
    problems.push({ spanId: span.spanId, reason: error.message });
    return undefined;
  }
}

function callOfAgent(name: string, reward: Span, calls: readonly ModelCall[]): ModelCall | undefined {
  const own = calls.filter((call) => call.agentNames.includes(name)).toSorted((a, b) => a.order - b.order);
  return own.findLast((call) => call.order < reward.sequenceId) ?? own[0];
}

function callOfSpan(spanId: string, trace: CallTrace): ModelCall | undefined {
  const exact = trace.callOf.get(spanId);
  const node = trace.tree.nodes.get(spanId);
  if (exact !== undefined || node === undefined) return exact;
  const inside = trace.calls.filter((call) => !call.replaced && isInside(call, node, trace));
  return inside.toSorted((a, b) => a.order - b.order).at(-1) ?? causingCall(node, trace);
}
