/** What a run of the quickstart says at its end. */
import type { TrainingResult } from '@agent-lightning/trainer';

import { defaultSteps, type QuickstartOptions } from './command-line.ts';

/** A few lines for people. */
export function summarize(options: QuickstartOptions, result: TrainingResult): string {
  const { validationBefore, validationAfter, modelDirectory, runDirectory } = result;
  const counts = `${result.steps} steps, ${result.rollouts} rollouts, ${result.transitions} model calls, ${Math.round(result.wallSeconds)} s`;
  if (result.stopReason === 'interrupted') {
    return [`Interrupted after ${counts}.`, `Go on: ${commandOf({ ...options, resume: runDirectory })}`].join('\n');
  }
  const { resume: _, ...again } = options;
  const shuffled = options.control === 'shuffled';
  return [
    `Held-out questions that the agent answers right: ${percent(validationBefore)} before, ${percent(validationAfter)} after.`,
    shuffled ? 'This was the control: its rewards were shuffled, so it should have learned nothing.' : undefined,
    `It took ${counts}.`,
    '',
    `Report:  ${result.reportPath}`,
    modelDirectory === undefined ? undefined : `Model:   ${modelDirectory} (Hugging Face layout)`,
    `Again:   ${commandOf(again)}`,
    shuffled ? undefined : `Control: ${commandOf({ ...again, control: 'shuffled' })}`,
  ]
    .filter((line) => line !== undefined)
    .join('\n');
}

/** The whole result as one line of JSON. */
export function toJsonLine(options: QuickstartOptions, result: TrainingResult): string {
  const { seed, control, validationSeed } = options;
  return JSON.stringify({ seed, control, validationSeed, ...result });
}

/** The command that runs with these options, without those that are as by default. */
export function commandOf({ seed, validationSeed, control, steps, resume }: QuickstartOptions): string {
  return [
    `npm run quickstart -- --seed ${seed}`,
    validationSeed === 0 ? '' : ` --validation-seed ${validationSeed}`,
    control === 'none' ? '' : ` --control ${control}`,
    steps === defaultSteps ? '' : ` --steps ${steps}`,
    resume === undefined ? '' : ` --resume ${resume}`,
  ].join('');
}

function percent(share: number | undefined): string {
  return share === undefined ? 'unknown' : `${(share * 100).toFixed(1)} %`;
}
