// capture
export type { CaptureStatistics } from './capture-ledger.ts';
export type { CaptureDropReason, CaptureOptions, Redact, RedactedText } from './capture-options.ts';
export {
  type CapturedTask,
  type SftRow,
  type SftRows,
  type ToSftRowsOptions,
  toSftRows,
  toTasks,
} from './captured-data.ts';
export { exportSft, type ExportSftOptions, type SftExport } from './export-sft.ts';
export {
  type CaptureRunOptions,
  type CapturedRun,
  type FeedbackOptions,
  type RolloutCapture,
  captureRollouts,
} from './rollout-capture.ts';
export type { RewardReceipt } from './write-queue.ts';
