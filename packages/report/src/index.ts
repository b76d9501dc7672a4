// report
export { StepSamples } from './step-samples.ts';
export { writeReport } from './write-report.ts';
