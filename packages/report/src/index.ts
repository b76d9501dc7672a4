export { writeReport, type WriteReportOptions } from './write-report.ts';
export { StepSamples, type StepSample } from './step-samples.ts';
export type { ReportContext } from './report-data.ts';
