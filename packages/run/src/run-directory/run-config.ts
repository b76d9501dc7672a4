import { TrainerError } from '@agent-lightning/core';

/** The options that must be the same when a run goes on; flat, so that a difference can be named. */
export type RunConfig = Readonly<Record<string, string | number | boolean>>;

/** The record of a run, `run.json`, which is written when the run begins. */
export interface RunRecord {
  readonly format: 1;
  readonly runId: string;
  readonly startedAt: string;
  readonly config: RunConfig;
}

/** Flattens options into a configuration; a value that is no number, text or boolean becomes a text. */
export function describeConfig(options: Readonly<Record<string, unknown>>, prefix: string = ''): RunConfig {
  return Object.fromEntries(Object.entries(options).map(([name, value]) => [`${prefix}${name}`, describeValue(value)]));
}

/** Checks that a resumed run has the options it was started with. @throws {TrainerError} `resume-mismatch` that names the first option that differs */
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
  if (typeof value === 'boolean' || typeof value === 'string') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (typeof value === 'function') return `a function: ${value.toString()}`;
  return JSON.stringify(value, (_, inner: unknown) => toJson(inner)) ?? 'none';
}

/** Keeps what JSON would drop or write as null: functions, and numbers that are not finite. */
function toJson(value: unknown): unknown {
  if (typeof value === 'function') return value.toString();
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}
