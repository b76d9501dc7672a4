import {
  adjustBatch,
  buildBatch,
  buildDemonstrations,
  randomOrder,
  type BatchSample,
  type Episode,
  type LightningBatch,
} from '@agent-lightning/core';
import type { DistillSettings } from './distill-options.ts';
import type { TokenizerCheck } from './same-tokenizer.ts';
import type { Teacher } from './teacher.ts';

/** The samples of a step with the advantages that they train with. */
export interface MarkedSamples {
  readonly samples: readonly BatchSample[];
  /** KL(policy ‖ teacher) in nats a token, by k1, at sampling time; undefined where there is no token. */
  readonly klTeacher: number | undefined;
}

/** Rewards turned into advantages, and the rewards that the run has seen. */
export interface RewardAdvantages extends Pick<LightningBatch, 'rewardRange'> {
  /** Returns the advantage of a call; 0 where there is nothing to compare it with. */
  readonly of: (rolloutId: string, callIndex: number) => number;
}

/** Compares the rewards of each task's rollouts, as `grpo` does; without a weight of theirs, rewards are not looked at. */
export function rewardAdvantages(
  episodes: readonly Episode[],
  { rewardWeight, samples, tokenWeighting }: Pick<DistillSettings, 'rewardWeight' | 'samples' | 'tokenWeighting'>,
  seen: LightningBatch['rewardRange'],
): RewardAdvantages {
  if (rewardWeight === 0) return { of: () => 0 };
  const { advantages, rewardRange } = buildBatch(episodes, {
    credit: 'identical',
    estimator: 'grpo',
    samples,
    tokenWeighting,
    ...(seen === undefined ? {} : { rewardRange: seen }),
  });
  return {
    of: (rolloutId, callIndex) => rewardWeight * (advantages.get(rolloutId)?.[callIndex] ?? 0),
    ...(rewardRange === undefined ? {} : { rewardRange }),
  };
}

/** Makes training samples of everything that the policy said, with the advantages of rewards alone. */
export function toSamples(
  episodes: readonly Episode[],
  { samples, tokenWeighting }: Pick<DistillSettings, 'samples' | 'tokenWeighting'>,
  reward: RewardAdvantages,
): readonly BatchSample[] {
  return buildDemonstrations(episodes, { samples, tokenWeighting }).map((sample) => {
    const tokenAdvantages = new Float64Array(sample.tokens.length);
    const segments = sample.segments.map((segment) => {
      const advantage = reward.of(sample.rolloutId, segment.callIndex);
      tokenAdvantages.fill(advantage, segment.start, segment.end);
      return { ...segment, advantage };
    });
    return { ...sample, tokenAdvantages, segments };
  });
}

/** Options of {@link markSamples}. */
export interface MarkingOptions {
  /** Ends the wait for the teacher. */
  readonly signal: AbortSignal;
  /** Uniform numbers in [0, 1) for a control run, in which each token gets the mark of another one. */
  readonly shuffle?: (() => number) | undefined;
}

/**
 * Adds the teacher's marks to the advantages of samples.
 * @throws {ConfigurationError} `option-unsupported` for a teacher with another tokenizer; whatever the teacher throws
 */
export async function markSamples(
  samples: readonly BatchSample[],
  teacher: Teacher,
  tokenizers: TokenizerCheck,
  { signal, shuffle }: MarkingOptions,
): Promise<MarkedSamples> {
  if (samples.length === 0) return { samples, klTeacher: undefined };
  const marks = await teacher.mark(samples, { isWanted: tokenizers.isNew, signal });
  await tokenizers.require(samples, marks);
  const logprobs = marks.map((own) => own.logprobs);
  const { samples: marked, meanDivergence } = adjustBatch.byTeacher(
    samples,
    shuffle === undefined ? logprobs : shuffleMarks(samples, logprobs, shuffle),
  );
  return { samples: marked, klTeacher: meanDivergence };
}

/**
 * Gives each trained token the difference lp_T − q of another one, whatever sample that is in. The log-probabilities of the teacher alone must not be
 * moved: −q would be left, which rewards surprise and teaches entropy.
 */
export function shuffleMarks(
  samples: readonly BatchSample[],
  logprobs: readonly ArrayLike<number>[],
  random: () => number,
): readonly Float64Array[] {
  const places = samples.flatMap(({ lossMask }, index) =>
    Array.from(lossMask, (bit, t) => ({ bit, index, t })).filter(({ bit }) => bit !== 0),
  );
  const order = randomOrder(places.length, random);
  const shuffled = samples.map(({ tokens }) => new Float64Array(tokens.length));
  for (const [position, { index, t }] of places.entries()) {
    const from = places[order[position]!]!;
    const difference = logprobs[from.index]![from.t]! - samples[from.index]!.logprobs[from.t]!;
    shuffled[index]![t] = samples[index]!.logprobs[t]! + difference;
  }
  return shuffled;
}
