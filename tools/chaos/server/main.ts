// Kills the server, the runners and the trainer of training runs at random moments, breaks their connections, and checks what was promised.
// npm run chaos:server -- --faults 500 [--seed N] [--steps N] [--machines] [--json]
// With --machines, server, trainer and each runner have a machine of its own, made of network namespaces (Linux, root), and machines are cut off too.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readCount } from '../read-count.ts';
import { runServerChaos } from './run-chaos.ts';

const { values } = parseArgs({
  options: {
    faults: { type: 'string', default: '100' },
    seed: { type: 'string', default: '0' },
    steps: { type: 'string', default: '60' },
    machines: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});
const folder = mkdtempSync(join(tmpdir(), 'chaos-server-'));
const report = await runServerChaos({
  faults: readCount('--faults', values.faults),
  seed: readCount('--seed', values.seed),
  steps: readCount('--steps', values.steps),
  folder,
  machines: values.machines,
  onProgress: (faults) => {
    if (process.stderr.isTTY) process.stderr.write(`\r${faults} faults`);
  },
});
if (process.stderr.isTTY) process.stderr.write('\n');
const { faults, runs, acknowledged, rewards, violations, wallSeconds } = report;
if (violations.length === 0) rmSync(folder, { recursive: true });
else {
  for (const violation of violations) console.error(violation);
  console.error(`the run broke ${violations.length} promises; its files are in ${folder}`);
  process.exitCode = 1;
}
if (values.json) console.log(JSON.stringify(report));
else
  console.log(
    `${Object.entries(faults)
      .map(([fault, count]) => `${count} ${fault}`)
      .join(', ')} in ${runs} runs, ${wallSeconds} s\n` +
      `${acknowledged} acknowledged writes, ${rewards} rewards; ${violations.length} violations`,
  );
