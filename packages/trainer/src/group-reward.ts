import { createHash } from 'node:crypto';
import {
  check,
  LightningError,
  readReward,
  rewardAttributes,
  type Episode,
  type LightningStore,
  type Logger,
  type RewardValue,
  type Rollout,
  type Span,
  type SpanInput,
} from '@agent-lightning/core';
import type { RolloutCollector, Session } from '@agent-lightning/run';
import type { RolloutResult } from '@agent-lightning/runner';
import { deriveTraceId } from '@agent-lightning/tracing';
import { readStored, type StoredRollout } from './rescore.ts';
import type { ResolvedTrainerOptions } from './trainer-options.ts';

/**
 * Returns the reward of each rollout of a group, in their order and in the forms that a rollout function may return; undefined for one that gets none.
 * The group is every rollout of one task in a step that succeeded.
 */
export interface GroupReward<Task> {
  (group: readonly StoredRollout<Task>[]): Promise<readonly RolloutResult[]> | readonly RolloutResult[];
  /** The name of the hosted model that scores, which must have a price where a run's money is limited. @default none */
  readonly model?: string;
}

export interface GroupScorerOptions<Task> {
  readonly groupReward: GroupReward<Task>;
  readonly store: Pick<LightningStore, 'addReward'>;
  readonly collector: Pick<RolloutCollector, 'readSpans'>;
  readonly logger: Pick<Logger, 'warn'>;
  /** Groups that are scored at once. */
  readonly concurrency: number;
}

interface Member {
  readonly rollout: Rollout;
  readonly spans: readonly Span[];
}

type Reward = NonNullable<ReturnType<typeof readReward>>;

const spanName = 'group reward';

/**
 * Scores whole groups when their rollouts are final, and keeps the rewards with the rollouts in the store. A group that is scored already, by an earlier
 * process, is left as it is; one that has more rollouts since, or whose scores were not all written, is scored again as a whole. Where an earlier process
 * has scored a group before and after it grew, the group has the scores of its size, as in that process.
 */
export class GroupScorer<Task> {
  readonly #options: GroupScorerOptions<Task>;
  /** Groups that this process has scored, or tried to. */
  readonly #tried = new Set<string>();
  /** The rollouts that have the reward of their group. */
  readonly #scored = new Set<string>();
  /** The rewards of rollouts in whose group the store has newer ones, from when that group had grown. */
  readonly #earlier = new Map<string, Reward>();
  readonly #told = new Set<string>();

  constructor(options: GroupScorerOptions<Task>) {
    this.#options = options;
  }

  /**
   * Scores the groups among these rollouts, which are all final. @throws {LightningError} `limit-reached`, and `option-invalid` where the function gives
   * too few or too many rewards, or refuses every one of the groups
   */
  async score(rollouts: readonly Rollout[]): Promise<void> {
    const succeeded = rollouts.filter(({ status }) => status === 'succeeded');
    const spans = Map.groupBy(await this.#options.collector.readSpans(succeeded), ({ rolloutId }) => rolloutId);
    const groups = [...Map.groupBy(succeeded, ({ groupId, rolloutId }) => groupId ?? rolloutId).values()].map((group) =>
      group.map((rollout): Member => ({ rollout, spans: spans.get(rollout.rolloutId) ?? [] })),
    );
    const { concurrency } = this.#options;
    const refused: unknown[] = [];
    for (let first = 0; first < groups.length; first += concurrency)
      await Promise.all(
        groups
          .slice(first, first + concurrency)
          .map((group) => this.#scoreGroup(group, (error) => refused.push(error))),
      );
    if (refused.length > 0 && refused.length === groups.length) throw refused[0];
  }

  /** Gives rollouts the reward of their group. Where it got none, those that succeeded lose every reward of their own: the two would not compare. */
  keepScored(episodes: readonly Episode[]): readonly Episode[] {
    return episodes.map((episode) => {
      const { rolloutId, status } = episode.rollout;
      const earlier = this.#earlier.get(rolloutId);
      if (earlier !== undefined) return withReward(episode, earlier);
      return status !== 'succeeded' || this.#scored.has(rolloutId)
        ? episode
        : { ...episode, reward: undefined, rewards: {} };
    });
  }

  async #scoreGroup(group: readonly Member[], onRefusal: (error: unknown) => void): Promise<void> {
    const name = nameGroup(group);
    if (this.#tried.has(name)) return;
    this.#tried.add(name);
    let round = 0;
    while (countScored(group, name, round) > 0) {
      if (countScored(group, name, round) === group.length) return this.#remember(group, name, round);
      round += 1;
    }
    const results = await this.#ask(group, onRefusal);
    for (const { rollout } of group) {
      this.#scored.delete(rollout.rolloutId);
      this.#earlier.delete(rollout.rolloutId);
    }
    for (const [index, { rollout, spans }] of group.entries()) {
      const result = results?.[index];
      if (result === undefined) continue;
      await this.#options.store.addReward(
        rollout.rolloutId,
        toSpan(rollout, spans, nameSpan(rollout, name, round), result as RewardValue),
      );
      this.#scored.add(rollout.rolloutId);
    }
  }

  #remember(group: readonly Member[], name: string, round: number): void {
    for (const { rollout, spans } of group) {
      const spanId = nameSpan(rollout, name, round);
      const own = spans.find((span) => span.spanId === spanId);
      const isNewest = spans.findLast((span) => span.name === spanName && span.kind === 'reward')?.spanId === spanId;
      this.#scored.add(rollout.rolloutId);
      this.#earlier.delete(rollout.rolloutId);
      const reward = own === undefined || isNewest ? undefined : readReward(own);
      if (reward !== undefined) this.#earlier.set(rollout.rolloutId, reward);
    }
  }

  /** Returns the rewards; undefined when the function failed, which is told once for each message. */
  async #ask(
    group: readonly Member[],
    onRefusal: (error: unknown) => void,
  ): Promise<readonly RolloutResult[] | undefined> {
    const { groupReward, logger } = this.#options;
    let results: readonly RolloutResult[];
    try {
      results = await groupReward(group.map(({ rollout, spans }) => readStored<Task>(rollout, spans)));
    } catch (error) {
      const code = LightningError.isInstance(error) ? error.code : undefined;
      if (code === 'limit-reached') throw error;
      if (code === 'option-invalid') onRefusal(error);
      const message = `groupReward failed, and its group has no reward: ${error instanceof Error ? error.message : String(error)}`;
      if (!this.#told.has(message)) logger.warn(message);
      this.#told.add(message);
      return undefined;
    }
    if (Array.isArray(results) && results.length === group.length) return results;
    throw check.optionInvalid(
      'Trainer: groupReward',
      Array.isArray(results) ? `${results.length} rewards` : results,
      `a function that returns a reward for each of the ${group.length} rollouts that it is given, in their order`,
    );
  }
}

/** Names a group by its members, so that one that has grown has another name. */
function nameGroup(group: readonly Member[]): string {
  return group.map(({ rollout }) => rollout.rolloutId).join('\n');
}

function countScored(group: readonly Member[], name: string, round: number): number {
  return group.filter(({ rollout, spans }) => {
    const spanId = nameSpan(rollout, name, round);
    return spans.some((span) => span.spanId === spanId);
  }).length;
}

function nameSpan({ rolloutId }: Rollout, group: string, round: number): string {
  return createHash('sha256')
    .update(JSON.stringify(['group-reward', rolloutId, group, round]))
    .digest('hex')
    .slice(0, 16);
}

function toSpan(
  { rolloutId, createdAtMs }: Rollout,
  spans: readonly Span[],
  spanId: string,
  result: RewardValue,
): SpanInput {
  const at = spans.reduce((latest, { endTimeMs }) => Math.max(latest, endTimeMs), createdAtMs);
  return {
    spanId,
    traceId: deriveTraceId(spans[0]?.attemptId ?? rolloutId),
    kind: 'reward',
    name: spanName,
    status: { code: 'ok' },
    startTimeMs: at,
    endTimeMs: at,
    attributes: rewardAttributes(result),
  };
}

function withReward(episode: Episode, { dimensions, feedback }: Reward): Episode {
  const { feedback: _, ...rest } = episode;
  return {
    ...rest,
    reward: dimensions[0]?.value,
    rewards: Object.fromEntries(dimensions.map(({ name, value }) => [name, value])),
    ...(feedback !== undefined && { feedback }),
  };
}

/** Returns the scorer of a run whose trainer has a group reward. */
export function createScorer<Task>({
  options,
  session,
  collector,
}: {
  readonly options: Pick<ResolvedTrainerOptions<Task>, 'groupReward' | 'runners' | 'logger'>;
  readonly session: Pick<Session<Task>, 'store'>;
  readonly collector: RolloutCollector;
}): GroupScorer<Task> | undefined {
  const { groupReward, runners, logger } = options;
  if (groupReward === undefined) return undefined;
  return new GroupScorer({ groupReward, store: session.store, collector, logger, concurrency: Math.max(1, runners) });
}
