// runner
export type { RolloutContext, RolloutEndpoint, RolloutFunction, RolloutResult } from './rollout-function.ts';
export type { AttemptOutcome, RolloutEnd, RolloutStart, RunnerHooks } from './runner-hooks.ts';
export type { RunnerOptions } from './runner-options.ts';
export { Runner, type RunnerSummary } from './runner.ts';

// command
export type { CommandResult, CommandReward, RunCommandOptions } from './command/command-options.ts';
export { runCommand } from './command/run-command.ts';

// containers
export type { RunContainerOptions } from './container/container-options.ts';
export { runContainer } from './container/run-container.ts';

// Kubernetes
export type { RunJobOptions } from './job/job-options.ts';
export { runJob } from './job/run-job.ts';
