// Kills the trainer, the worker and the gateway of training runs at random moments, resumes the runs, and checks what they promise.
// npm run chaos:run -- --kills 100 [--seed N] [--steps N] [--json]
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readCount } from '../read-count.ts';
import { runChaosOfRuns } from './run-chaos.ts';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '100' },
    seed: { type: 'string', default: '0' },
    steps: { type: 'string', default: '60' },
    json: { type: 'boolean', default: false },
  },
});
const folder = mkdtempSync(join(tmpdir(), 'chaos-run-'));
const report = await runChaosOfRuns({
  kills: readCount('--kills', values.kills),
  seed: readCount('--seed', values.seed),
  steps: readCount('--steps', values.steps),
  folder,
  onProgress: (kills) => {
    if (process.stderr.isTTY) process.stderr.write(`\r${kills} kills`);
  },
});
if (process.stderr.isTTY) process.stderr.write('\n');
const { kills, runs, acknowledged, answered, applied, violations, wallSeconds } = report;
if (values.json) console.log(JSON.stringify(report));
else
  console.log(
    `${kills.trainer} kills of the trainer, ${kills.worker} of the worker and ${kills.gateway} of the gateway in ${runs} runs, ${wallSeconds} s\n` +
      `${acknowledged} acknowledged rollouts with ${answered} answered calls, ${applied} optimizer steps taken; ${violations.length} violations`,
  );
if (violations.length === 0) rmSync(folder, { recursive: true });
else {
  for (const violation of violations) console.error(violation);
  console.error(`the run broke ${violations.length} promises; its files are in ${folder}`);
  process.exitCode = 1;
}
