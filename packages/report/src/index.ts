export { StepExcerpts, type StepExcerpt, type TokenTexts } from './step-excerpts.ts';
export { viewRollout, type RolloutView, type ViewEntry } from './rollout-view/view-rollout.ts';
export { describeRollout } from './rollout-view/describe-rollout.ts';
