import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { findNewestRun } from '../../runs/find-newest-run.ts';
import { readRunSummary, type RunSummary } from '../../runs/read-run-summary.ts';
import { defineCommand, runAs } from '../define-command.ts';

/** Adds `report`. */
export function addReportCommand(program: Command): void {
  const command = defineCommand(program, {
    usage: 'report [runs...]',
    summary: 'say how a run went, or hold several beside each other',
    details:
      'Reads the run directory only, so the run may go on meanwhile. The page report.html in it, which train writes, has the curves and rollouts.',
    examples: [
      ['agent-lightning report', 'the newest run in runs/'],
      ['agent-lightning report runs/a runs/b', 'two runs, with the options in which they differ'],
    ],
  });
  runAs(command, async ({ arguments: names, terminal }) => {
    const directories =
      names.length === 0
        ? [await findNewestRun(terminal.directory)]
        : names.map((name) => resolve(terminal.directory, name));
    const runs = await Promise.all(directories.map((directory) => readRunSummary(directory)));
    const differing = findDifferences(runs);
    const text = runs.map((run) => describeRun(run, differing)).join('\n\n');
    return { text, json: runs.length === 1 ? runs[0]! : { runs, differing } };
  });
}

/** Returns the names of options that are not the same in all runs; every name where there is one run. */
function findDifferences(runs: readonly RunSummary[]): readonly string[] {
  const names = [...new Set(runs.flatMap(({ config }) => Object.keys(config)))];
  return runs.length === 1 ? names : names.filter((name) => new Set(runs.map(({ config }) => config[name])).size > 1);
}

function describeRun(run: RunSummary, shown: readonly string[]): string {
  const show = (value: number | undefined): string => value?.toFixed(3) ?? 'none';
  const { heldOut, reward } = run;
  return [
    `${run.directory}: ${run.steps} steps, ${run.rollouts} rollouts (${run.failed} failed), ${Math.round(run.wallSeconds)} s, begun ${run.startedAt}`,
    `  reward in training: ${show(reward.first)} at first, ${show(reward.last)} at last`,
    ...(heldOut.before === undefined && heldOut.last === undefined
      ? []
      : [
          `  held-out reward: ${show(heldOut.before)} before, ${show(heldOut.last)} at step ${heldOut.lastStep ?? 0}${run.bestStep === undefined ? '' : `; the best step is ${run.bestStep}`}`,
        ]),
    ...(run.ailments.length === 0
      ? []
      : [`  ailments: ${run.ailments.join(', ')} (docs/why-no-learning.md says what to do)`]),
    ...shown.map((name) => `  ${name}: ${String(run.config[name] ?? 'none')}`),
    ...[
      ['model', 'model'],
      ['report', 'report.html'],
    ].flatMap(([name, file]) => {
      const path = join(run.directory, file!);
      return existsSync(path) ? [`  ${name}: ${path}`] : [];
    }),
  ].join('\n');
}
