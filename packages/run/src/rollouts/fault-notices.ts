import type { Episode, Rollout } from '@agent-lightning/core';
import { countFailures, describeFailure } from '../failures/failure-counts.ts';
import { findUnmatchedPatterns, listMatchedPatterns } from './agents-seen.ts';

/** Reports faults that do not stop the training, each kind once in a run; the metrics count them. */
export class FaultNotices {
  readonly #seen = new Set<string>();
  readonly #matched = new Set<string>();

  /** Returns the notices of the kinds of fault that this step is the first to have. */
  collect(step: number, episodes: readonly Episode[], failureReward: number): readonly string[] {
    return [
      ...this.#failures(step, episodes, failureReward),
      ...this.#unmatched(step, episodes),
      ...this.#once(
        episodes.flatMap(({ untrainable, rollout }) => untrainable.map(({ reason }) => ({ kind: reason, rollout }))),
      ).map(
        ({ kind, count, rollout }) =>
          `step ${step}: ${count} model calls are not trained on: ${kind} (such as in rollout ${rollout.rolloutId})`,
      ),
      ...this.#once(
        episodes.flatMap(({ problems = [], rollout }) => problems.map(({ reason }) => ({ kind: reason, rollout }))),
      ).map(
        ({ kind, count, rollout }) =>
          `step ${step}: ${count} spans could not be used: ${kind} (such as in rollout ${rollout.rolloutId})`,
      ),
    ];
  }

  #failures(step: number, episodes: readonly Episode[], failureReward: number): readonly string[] {
    return countFailures(episodes).flatMap((failure) => {
      const name = `failure ${failure.kind} ${failure.code}`;
      if (this.#seen.has(name)) return [];
      this.#seen.add(name);
      return [`step ${step}: ${describeFailure(failure, failureReward)}`];
    });
  }

  /** Reports each `agentMatch` that has selected no agent so far. */
  #unmatched(step: number, episodes: readonly Episode[]): readonly string[] {
    for (const match of listMatchedPatterns(episodes)) this.#matched.add(match);
    return findUnmatchedPatterns(episodes).flatMap(({ match, message }) => {
      const kind = `unmatched ${match}`;
      if (this.#matched.has(match) || this.#seen.has(kind)) return [];
      this.#seen.add(kind);
      return [`step ${step}: no agent trains under agentMatch ${match}: ${message}`];
    });
  }

  /** Returns the kinds that were not seen before, each with its count and its first rollout. Numbers in them make no difference. */
  #once(
    faults: readonly { readonly kind: string; readonly rollout: Rollout }[],
  ): readonly { readonly kind: string; readonly count: number; readonly rollout: Rollout }[] {
    return [...Map.groupBy(faults, ({ kind }) => kind.replaceAll(/\d+/g, '#'))].flatMap(([shape, own]) => {
      if (this.#seen.has(shape)) return [];
      this.#seen.add(shape);
      return [{ kind: own[0]!.kind, count: own.length, rollout: own[0]!.rollout }];
    });
  }
}
