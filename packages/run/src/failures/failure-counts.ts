import { failureKinds, type Episode } from '@agent-lightning/core';

/** The rollouts of a set that failed with one code. */
export interface FailureCount {
  readonly code: string;
  readonly kind: NonNullable<Episode['failureKind']>;
  readonly count: number;
  /** Their share of all rollouts, from 0 to 1. */
  readonly share: number;
  /** One of them. */
  readonly example: Episode['rollout'];
}

/** Returns the code by which a rollout's failure is counted. */
export function failureCodeOf({ failure, status }: Pick<Episode['rollout'], 'failure' | 'status'>): string {
  return failure?.code ?? status;
}

/** Counts the failures of these rollouts by code and kind, in order of their first one. */
export function countFailures(episodes: readonly Episode[]): readonly FailureCount[] {
  const failed = episodes.filter(({ rollout }) => rollout.status !== 'succeeded');
  const groups = Map.groupBy(failed, ({ rollout, failureKind }) => `${failureKind} ${failureCodeOf(rollout)}`);
  return [...groups.values()].map((group) => ({
    code: failureCodeOf(group[0]!.rollout),
    kind: group[0]!.failureKind ?? 'unknown',
    count: group.length,
    share: group.length / episodes.length,
    example: group[0]!.rollout,
  }));
}

/** Counts failed rollouts by who caused the failure. */
export function countByKind(episodes: readonly Episode[]): Readonly<Record<FailureCount['kind'], number>> {
  const counts = { policy: 0, world: 0, unknown: 0 };
  for (const { kind, count } of countFailures(episodes)) counts[kind] += count;
  return counts;
}

/**
 * Counts the rollouts that ended at a limit of turns, steps or tool calls: by an error, or with a success whose last call asked for a
 * tool, as agents of the AI SDK and of Mastra end at their limit of steps.
 */
export function countTurnLimits(episodes: readonly Episode[]): number {
  return episodes.filter(({ rollout: { status, failure }, transitions }) =>
    status === 'succeeded'
      ? toolFinishes.has(transitions.at(-1)?.finishReason ?? '')
      : failure !== undefined && failureKinds.isTurnLimit(failure),
  ).length;
}

const toolFinishes: ReadonlySet<string> = new Set(['tool_calls', 'function_call']);

/** Says what failed, how often, how it counts, and which option sorts it otherwise. */
export function describeFailure({ code, kind, count, share, example }: FailureCount, failureReward: number): string {
  const all = Math.round(count / share);
  const what = `${count} of ${all} rollouts (${Math.round(share * 100)} %) failed with ${code}, such as ${example.rolloutId}: ${example.failure?.message ?? 'no message'}`;
  return `${what}${/[.!?]$/u.test(what) ? '' : '.'} ${consequences[kind](code, failureReward)}`;
}

const consequences: Readonly<Record<FailureCount['kind'], (code: string, failureReward: number) => string>> = {
  policy: (_, failureReward) => `The policy causes this, so they count with reward ${failureReward}`,
  world: () =>
    'This says nothing about the policy, so they are tried again where their code says so, and then left out',
  unknown: (code, failureReward) =>
    `Who causes this is not known, so they count with reward ${failureReward}; where it is a service that was away, ${code === 'agent-failed' ? "give its error a class of its own, such as PaymentError, and say failures: { PaymentError: 'world' }" : `say failures: { ${JSON.stringify(code)}: 'world' }`}, and they are tried again and left out`,
};
