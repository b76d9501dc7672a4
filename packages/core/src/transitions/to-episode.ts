import { checkAgentMatch } from '../checks/check-agent-match.ts';
import { checkKnownOptions } from '../known-options.ts';
import { matchesAgent, type AgentMatch } from '../vocabulary/agent-match.ts';
import { attributeNames } from '../vocabulary/attributes.ts';
import { failureKinds, type FailureKind, type FailureSorting } from '../failures/failure-kind.ts';
import type { Rollout, RolloutMode } from '../vocabulary/rollout.ts';
import type { Span } from '../vocabulary/span.ts';
import { traceCalls, type ModelCall } from './model-calls.ts';
import { asUntrainable, findOutsideCalls } from './outside-calls.ts';
import { findParallelCalls } from './parallel-calls.ts';
import { attributeRewards } from './reward-attribution.ts';
import { measurePace } from './sampling-pace.ts';
import { listAgents } from './seen-agents.ts';
import { stepSignals } from './step-signals.ts';
import { samplingProblem } from './sampling-problem.ts';
import { tokenProblem } from './token-problem.ts';
import type { Episode, StepSignal, Transition, UntrainableCall } from './transition.ts';

export interface ToEpisodeOptions {
  /** Selects the agents whose calls count; it is tested against each of a call's names, and the nearest named ancestor decides. @default all */
  readonly agentMatch?: AgentMatch;
  /** Names the policies whose calls count. @default all */
  readonly policies?: readonly string[];
  /** Sorts failures of the user's own by code. @default none: they are of unknown cause */
  readonly failures?: FailureSorting;
}

const optionNames: Readonly<Record<keyof ToEpisodeOptions, true>> = {
  agentMatch: true,
  policies: true,
  failures: true,
};

/**
 * Builds the episode of one rollout from its spans: the unified trace interface. @source arXiv:2508.03680 §3.1
 *
 * A call is a transition when the gateway captured it for a policy. Calls that must not be trained on are listed with the
 * reason. Only the newest attempt's spans count: the attempt of the highest sequence id. Order is by sequence id, which no
 * clock decides; times of one and the same clock tell only which calls ran beside each other.
 * @param spans of this rollout, in any order; read them with their tokens, and of the newest attempt, which may have written none
 * @throws {ConfigurationError} `option-invalid` for an `agentMatch` that names no agent
 */
export function toEpisode(rollout: Rollout, spans: readonly Span[], options: ToEpisodeOptions = {}): Episode {
  checkKnownOptions('toEpisode', options, optionNames);
  if (options.agentMatch !== undefined) checkAgentMatch('agentMatch', options.agentMatch);
  const latest = latestAttempt(rollout, spans);
  const trace = traceCalls(latest);
  const selected = trace.calls.filter((call) => isSelected(call, options));
  const reasons = new Map(selected.map((call) => [call, untrainableReason(call, rollout.mode)]));
  const trained = selected.filter((call) => reasons.get(call) === undefined);
  const discarded = selected.filter((call) => isDiscardedOnly(call, rollout.mode));
  const rewards = attributeRewards(latest, trace, trained);
  const signals = stepSignals(trace);
  const outside = findOutsideCalls(latest, trace, options.policies);
  const agents = listAgents(latest, trace);
  const failureKind = failureKindOf(rollout, selected, options);
  const pace = measurePace(selected);
  const parallel = findParallelCalls(trained, trace);
  return {
    rollout,
    ...(failureKind !== undefined && { failureKind }),
    ...(pace !== undefined && { pace }),
    transitions: trained.map((call, index) =>
      transitionOf(call, index, {
        reward: rewards.calls.get(call),
        signals: signals.get(call) ?? [],
        beside: parallel.get(call),
      }),
    ),
    untrainable: [
      ...selected.flatMap((call) => untrainableCall(call, reasons.get(call))),
      // With a pattern of the reader's own, that pattern says whose calls count.
      ...(options.agentMatch === undefined ? outside.selected.map(asUntrainable) : []),
    ],
    ...(discarded.length > 0 && {
      discarded: discarded.map((call, index) =>
        transitionOf(call, trained.length + index, { reward: undefined, signals: [], beside: undefined }),
      ),
    }),
    reward: rewards.rollout?.dimensions[0]?.value,
    untrainedReward: rewards.untrained,
    rewards: Object.fromEntries((rewards.rollout?.dimensions ?? []).map(({ name, value }) => [name, value])),
    ...(rewards.rollout?.feedback !== undefined && { feedback: rewards.rollout.feedback }),
    ...(agents.length > 0 && { agents }),
    ...(outside.others.length > 0 && { otherCalls: outside.others }),
    problems: rewards.problems,
  };
}

/**
 * Returns the kind of a rollout's failure; undefined when it did not fail. It is the world's where no attempt was made, and where nothing
 * else explains it and the last of the rollout's calls failed because what samples was away. Whether a time-out is the policy's shows beside other rollouts only.
 */
function failureKindOf(
  { status, failure, attemptCount }: Rollout,
  calls: readonly ModelCall[],
  { failures }: ToEpisodeOptions,
): FailureKind | undefined {
  if (status === 'cancelled') return 'world';
  if (status !== 'failed') return undefined;
  if (attemptCount === 0) return 'world'; // as when no runner claimed it in its queue time
  const kind = failure === undefined ? 'unknown' : failureKinds.of(failure, failures);
  return kind === 'unknown' && calls.at(-1)?.gateway?.attributes[attributeNames.outage] === true ? 'world' : kind;
}

/** Returns the spans of the newest attempt, each span id once. */
function latestAttempt(rollout: Rollout, spans: readonly Span[]): readonly Span[] {
  const own = spans.filter((span) => span.rolloutId === rollout.rolloutId);
  const newest = own.reduce<Span | undefined>(
    (last, span) => (last === undefined || span.sequenceId > last.sequenceId ? span : last),
    undefined,
  );
  const unique = new Map<string, Span>();
  for (const span of own)
    if (span.attemptId === newest?.attemptId && !unique.has(span.spanId)) unique.set(span.spanId, span);
  return [...unique.values()];
}

function isSelected(call: ModelCall, { agentMatch, policies }: ToEpisodeOptions): boolean {
  const policy = policyOf(call);
  // A call that the pattern names and no policy answered went past the gateway: that must be seen.
  if (policy === undefined)
    return agentMatch !== undefined && call.gateway === undefined && matchesAgent(call.agentNames, agentMatch);
  return (policies === undefined || policies.includes(policy)) && matchesAgent(call.agentNames, agentMatch);
}

function policyOf(call: ModelCall): string | undefined {
  const policy = call.span.attributes[attributeNames.policy];
  return typeof policy === 'string' && policy !== '' ? policy : undefined;
}

/** The finish reasons of a whole response: the policy ended it, or a limit that it knows did. */
const wholeFinishes: ReadonlySet<string> = new Set(['stop', 'length', 'tool_calls', 'function_call']);

/** Says why a call must not be trained on, or returns undefined when it may. */
function untrainableReason(call: ModelCall, mode: RolloutMode): string | undefined {
  const { gateway, framework } = call;
  const marked = gateway?.attributes[attributeNames.untrainable] ?? framework?.attributes[attributeNames.untrainable];
  if (marked !== undefined) return String(marked);
  if (gateway === undefined) return 'the call did not go through the gateway';
  if (gateway.status.code === 'error') return `the call failed: ${gateway.status.message ?? 'no message'}`;
  if (call.replaced) return 'the agent went on with another response (a retry replaced this one)';
  if (call.discarded !== undefined) return call.discarded;
  if (gateway.tokens === undefined) return 'the engine reported no tokens';
  const version = gateway.attributes[attributeNames.policyVersion];
  if (typeof version !== 'number' || !Number.isInteger(version))
    return `the policy version is ${JSON.stringify(version)}`;
  const finish = finishReasonOf(gateway);
  if (!wholeFinishes.has(finish))
    return finish === ''
      ? 'the response has no finish reason'
      : `the response is incomplete: it finished by "${finish}"`;
  return tokenProblem(gateway.tokens) ?? (mode === 'train' ? samplingProblem(gateway) : undefined);
}

/** Tells whether nothing keeps a call from being trained on but that the agent threw its answer away. */
function isDiscardedOnly(call: ModelCall, mode: RolloutMode): boolean {
  return call.discarded !== undefined && untrainableReason({ ...call, discarded: undefined }, mode) === undefined;
}

function untrainableCall(call: ModelCall, reason: string | undefined): readonly UntrainableCall[] {
  if (reason === undefined) return [];
  return [
    {
      spanId: call.span.spanId,
      agentName: call.agentNames[0] ?? '',
      reason,
      ...(call.gateway?.attributes[attributeNames.outage] === true && { isOutage: true }),
      ...(reason === call.discarded && { isDiscarded: true }),
    },
  ];
}

function transitionOf(
  call: ModelCall,
  callIndex: number,
  found: {
    readonly reward: number | undefined;
    readonly signals: readonly StepSignal[];
    readonly beside: readonly ModelCall[] | undefined;
  },
): Transition {
  const { span } = call;
  const { prompt, response, logprobs } = span.tokens!;
  const temperature = span.attributes[attributeNames.requestTemperature];
  return {
    rolloutId: span.rolloutId,
    attemptId: span.attemptId,
    spanId: span.spanId,
    sequenceId: span.sequenceId,
    callIndex,
    agentName: call.agentNames[0] ?? '',
    policy: policyOf(call)!,
    policyVersion: span.attributes[attributeNames.policyVersion] as number,
    promptIds: prompt,
    responseIds: response,
    logprobs,
    ...(typeof temperature === 'number' && { temperature }),
    finishReason: finishReasonOf(span),
    reward: found.reward,
    signals: found.signals,
    ...(found.beside === undefined ? {} : { beside: found.beside.map((other) => other.span.spanId) }),
  };
}

function finishReasonOf(span: Span): string {
  const reasons = span.attributes[attributeNames.finishReasons];
  return Array.isArray(reasons) ? String(reasons[0] ?? '') : String(reasons ?? '');
}
