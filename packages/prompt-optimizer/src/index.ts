// algorithms
export { gepa } from './gepa/gepa.ts';
export type { GepaOptions } from './gepa/gepa-options.ts';
export type { GepaMetrics } from './gepa/gepa-run.ts';
export type { Fate } from './gepa/conclude-step.ts';
export { apo } from './apo/apo.ts';
export type { ApoOptions } from './apo/apo-options.ts';
export type { ApoMetrics } from './apo/apo-run.ts';

// what they are given
export type { FindPromptsOptions, PromptSource } from './found/found-source.ts';
export { findPrompts, type PromptFindings } from './found/find-prompts.ts';
export { promptTemplate, type ChatModel, type PromptTemplate, type TextModel } from '@agent-lightning/tracing';

// decisions of GEPA
export { findBest, meanScore, type Candidate, type Texts } from './candidates/candidate.ts';
export { findFronts, removeDominated, weighParents, type Frontier, type Fronts } from './candidates/pareto-front.ts';
export {
  compareWithParent,
  isAccepted,
  isClearlyBetter,
  isMergeAccepted,
  type AcceptanceRule,
} from './decisions/acceptance.ts';
export type { ComponentRule } from './decisions/components.ts';
export {
  drawMerge,
  findMerges,
  mergeTexts,
  type Merge,
  type MergeTriple,
  type TriedMerges,
} from './decisions/merge.ts';
export { drawMergeSubsample } from './decisions/merge-subsample.ts';
export { minibatchAt } from './decisions/minibatches.ts';
export { addRewards, estimateNoise, type SeenRewards } from './decisions/noise.ts';
export { findWinner } from './decisions/winner.ts';
