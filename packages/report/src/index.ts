export { writeReport, type WriteReportOptions } from './write-report.ts';
export { StepExcerpts, type StepExcerpt } from './step-excerpts.ts';
export type { ReportContext } from './report-data.ts';
