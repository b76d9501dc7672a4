/** Writes the summary at the end of an example's program. */
import { describeVerdict, type TrainingResult } from '@agent-lightning/trainer';

import { commandOf, type ExampleOptions, type ExampleProgram } from './command-line.ts';

/** A few lines for people. */
export function summarize<Flag extends string, Name extends string>(
  program: ExampleProgram<Flag, Name>,
  options: ExampleOptions<Flag, Name>,
  result: TrainingResult,
): string {
  const { validationBefore, validationAfter, modelDirectory, runDirectory } = result;
  const counts = `${result.steps} steps, ${result.rollouts} rollouts, ${result.transitions} model calls, ${Math.round(result.wallSeconds)} s`;
  if (result.stopReason === 'interrupted') {
    return `Interrupted after ${counts}.\nGo on: ${commandOf(program, { ...options, resume: runDirectory })}`;
  }
  const { resume: _, ...again } = options;
  const shuffled = options.control === 'shuffled';
  return [
    `${program.outcome}: ${percent(validationBefore)} before, ${percent(validationAfter)} after.`,
    result.verdict === undefined
      ? undefined
      : `Verdict on step ${result.bestStep}: ${describeVerdict(result.verdict)}.`,
    shuffled ? 'This was the control: its rewards were shuffled, so it should have learned nothing.' : undefined,
    `It took ${counts}.`,
    '',
    result.reportPath === undefined ? undefined : `Report:  ${result.reportPath}`,
    modelDirectory === undefined ? undefined : `Model:   ${modelDirectory} (${program.holds ?? 'Hugging Face layout'})`,
    `Again:   ${commandOf(program, again)}`,
    shuffled ? undefined : `Control: ${commandOf(program, { ...again, control: 'shuffled' })}`,
    program.next === undefined ? undefined : `Next:    ${program.next}`,
  ]
    .filter((line) => line !== undefined)
    .join('\n');
}

/** The whole result as one line of JSON. */
export function toJsonLine(options: ExampleOptions<string, string>, result: TrainingResult): string {
  const { seed, control, validationSeed, flags, settings } = options;
  return JSON.stringify({ seed, control, validationSeed, ...flags, ...settings, ...result });
}

function percent(share: number | undefined): string {
  return share === undefined ? 'unknown' : `${(share * 100).toFixed(1)} %`;
}
