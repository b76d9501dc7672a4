import { TraceError } from '../errors.ts';
import { tokenProblem } from '../transitions/token-problem.ts';
import type { Episode, Transition } from '../transitions/transition.ts';
import type { BatchSample, SampleSegment } from './batch.ts';
import { prefixPaths, type PrefixPath } from './prefix-tree.ts';

/** The layout of samples: one for each call, or one for all calls that continue each other. */
export type SampleLayout = 'transition' | 'trajectory';

/**
 * Builds the samples of one rollout, unweighted: each token weighs 1. Every call's response is trained in exactly one sample,
 * the first that contains it; samples that contain it again have it as context, with mask 0. No sample is longer than the
 * longest call.
 * @param advantages shape (K,)
 * @throws {TraceError} `tokens-invalid` for a call that no sample can hold
 */
export function buildSamples(
  episode: Episode,
  groupId: string,
  advantages: Float64Array,
  layout: SampleLayout,
): readonly BatchSample[] {
  const calls = episode.transitions;
  calls.forEach(checkTokens);
  const paths = layout === 'transition' ? calls.map((_, index) => [index]) : prefixPaths(calls);
  const trained = new Set<number>();
  return paths.map((path) => sampleOf(episode, groupId, advantages, path, trained));
}

function sampleOf(
  episode: Episode,
  groupId: string,
  advantages: Float64Array,
  path: PrefixPath,
  trained: Set<number>,
): BatchSample {
  const calls = path.map((index) => episode.transitions[index]!);
  const leaf = calls.at(-1)!;
  const tokens = new Int32Array(leaf.promptIds.length + leaf.responseIds.length); // (P) + (T) → (P+T)
  tokens.set(leaf.promptIds);
  tokens.set(leaf.responseIds, leaf.promptIds.length);
  const lossMask = new Uint8Array(tokens.length);
  const logprobs = new Float32Array(tokens.length);
  const tokenAdvantages = new Float64Array(tokens.length);
  const segments: SampleSegment[] = [];
  path.forEach((callIndex, position) => {
    if (trained.has(callIndex)) return;
    trained.add(callIndex);
    const call = calls[position]!;
    const segment = segmentOf(call, callIndex, advantages[callIndex]!);
    lossMask.fill(1, segment.start, segment.end);
    logprobs.set(call.logprobs, segment.start);
    tokenAdvantages.fill(segment.advantage, segment.start, segment.end);
    segments.push(segment);
  });
  const policyVersions = [...new Set(segments.map((segment) => segment.policyVersion))].sort((a, b) => a - b);
  return {
    tokens,
    lossMask,
    logprobs,
    advantages: Float32Array.from(tokenAdvantages),
    tokenAdvantages,
    tokenWeight: 1,
    rolloutId: episode.rollout.rolloutId,
    groupId,
    policy: leaf.policy,
    ...(leaf.temperature === undefined ? {} : { temperature: leaf.temperature }),
    callIndexes: path,
    policyVersions,
    segments,
  };
}

function segmentOf(call: Transition, callIndex: number, advantage: number): SampleSegment {
  const start = call.promptIds.length;
  return { callIndex, policyVersion: call.policyVersion, start, end: start + call.responseIds.length, advantage };
}

function checkTokens(call: Transition): void {
  const problem = tokenProblem({ prompt: call.promptIds, response: call.responseIds, logprobs: call.logprobs });
  if (problem !== undefined) {
    throw new TraceError(
      `call ${call.callIndex} (span ${call.spanId}) of rollout ${call.rolloutId} cannot be trained on: ${problem}; such a call belongs in the episode's untrainable list`,
      { code: 'tokens-invalid' },
    );
  }
}
