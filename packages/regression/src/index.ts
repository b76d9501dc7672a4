// recordings
export { readRecording, type RecordedCall, type RecordedChoice, type RecordedRollout } from './recording.ts';
export { recordRollouts, type RecordableStore, type RecordOptions, type RecordSummary } from './record-rollouts.ts';

// running them again; for Vitest there is `@agent-lightning/regression/vitest`
export { checkMeanReward, checkReplay } from './check-replay.ts';
export { replayRollout, type ReplayedRollout, type ReplayOptions } from './replay-rollout.ts';
