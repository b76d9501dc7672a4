import { TrainerError } from '@agent-lightning/core';
import { type ResolvedFitOptions, isRouted, type ResolvedTrainerOptions } from '@agent-lightning/trainer';

/** What must be the same when a run goes on; flat, so that a difference can be named. */
export type RunConfig = Readonly<Record<string, string | number | boolean>>;

/** What is kept of a run from its first moment on. */
export interface RunRecord {
  readonly format: 1;
  readonly runId: string;
  readonly startedAt: string;
  readonly config: RunConfig;
}

/** The options that decide what a run does. Steps, runners, staleness and what only watches may change. */
export function describeRun<Task>(trainer: ResolvedTrainerOptions<Task>, fit: ResolvedFitOptions<Task>): RunConfig {
  const config: Record<string, string | number | boolean> = {
    seed: trainer.seed,
    control: trainer.control,
    backend: trainer.backend.name,
    'train tasks': fit.trainDigest,
    'validation tasks': fit.validationDigest,
  };
  for (const [name, value] of Object.entries(trainer.algorithm)) config[`algorithm.${name}`] = describeValue(value);
  for (const { name, agentMatch, learningRate } of isRouted(trainer.policies) ? trainer.policies : [])
    config[`policies.${name}`] = `${String(agentMatch)} at learning rate ${learningRate}`;
  return config;
}

/** @throws {TrainerError} `resume-mismatch` that names the first option that differs */
export function checkSameRun(directory: string, stored: RunConfig, given: RunConfig): void {
  for (const name of new Set([...Object.keys(stored), ...Object.keys(given)])) {
    if (stored[name] === given[name]) continue;
    throw new TrainerError(
      `the run in ${directory} was started with ${name} = ${String(stored[name])}, and this one has ${String(given[name])}; resume with the same, or train in another runDirectory`,
      { code: 'resume-mismatch' },
    );
  }
}

function describeValue(value: unknown): string | number | boolean {
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'string') return value;
  if (typeof value === 'function') return `a function: ${value.toString()}`;
  return (
    JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'function' ? inner.toString() : inner)) ?? 'none'
  );
}
