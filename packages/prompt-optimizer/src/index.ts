// candidates
export { findBest, meanScore, type Candidate, type Texts } from './candidates/candidate.ts';
export { findFronts, removeDominated, weighParents, type Fronts } from './candidates/pareto-front.ts';

// decisions of GEPA
export { isAccepted, isMergeAccepted, type AcceptanceRule } from './decisions/acceptance.ts';
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
