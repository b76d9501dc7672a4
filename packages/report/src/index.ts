export { writeReport, type WriteReportOptions } from './write-report.ts';
export { StepExcerpts, type StepExcerpt } from './step-excerpts.ts';
export { viewRollout, type RolloutView, type ViewEntry } from './rollout-view/view-rollout.ts';
export { describeRollout } from './rollout-view/describe-rollout.ts';
export type { ReportContext } from './report-data.ts';
