// Measures rollouts through a server against rollouts in one process, in the same run, a thousand connected runners, and spans of OpenTelemetry.
// npm run bench:server -- [--rollouts N] [--rounds N] [--runners N] [--spans N] [--json]
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { connectStore, type RemoteStore } from '@agent-lightning/store';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { readCount } from '../../chaos/read-count.ts';
import { measureTraces, type MeasuredTraces } from './measure-traces.ts';
import { measureRollouts, type Workload } from './work-off.ts';

const { values } = parseArgs({
  options: {
    rollouts: { type: 'string', default: '4000' },
    rounds: { type: 'string', default: '3' },
    runners: { type: 'string', default: '1000' },
    spans: { type: 'string', default: '50000' },
    json: { type: 'boolean', default: false },
  },
});
const workload: Workload = { rollouts: readCount('--rollouts', values.rollouts), workers: 16, claimLimit: 8 };
const rounds = readCount('--rounds', values.rounds);
const runners = readCount('--runners', values.runners);
const spans = readCount('--spans', values.spans);
const leastRatio = 0.5;
/** The spans that one core must take, in exports of 512. */
const leastSpans = 10_000;

const folder = mkdtempSync(join(tmpdir(), 'bench-server-'));
const { child, url, key } = await startProcess(join(folder, 'served.sqlite'));
const local = await openSqliteStore({ path: join(folder, 'local.sqlite'), durability: 'normal' });
const remote = connectStore({ url, key });
try {
  // The first round warms up both sides and does not count.
  const inProcess: number[] = [];
  const overHttp: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const counted = [
      await measureRollouts(local, [local], workload),
      await measureRollouts(remote, [remote], workload),
    ] as const;
    if (round === 0) continue;
    inProcess.push(counted[0]);
    overHttp.push(counted[1]);
  }
  const connected = await measureRunners();
  const traces: MeasuredTraces[] = [];
  for (const store of ['memory', 'sqlite'] as const)
    for (const spansPerExport of [512, 1])
      traces.push(await measureTraces(store, spansPerExport, spansPerExport === 1 ? spans / 10 : spans));
  const ratio = median(overHttp) / median(inProcess);
  const report = {
    machine: { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version },
    workload,
    inProcessRolloutsPerSecond: Math.round(median(inProcess)),
    httpRolloutsPerSecond: Math.round(median(overHttp)),
    ratio: Number(ratio.toFixed(3)),
    leastRatio,
    connected,
    traces,
    leastSpans,
    isMet:
      ratio >= leastRatio &&
      connected.rollouts === connected.done &&
      traces.every(({ spansPerExport, spansPerCpuSecond }) => spansPerExport === 1 || spansPerCpuSecond >= leastSpans),
  };
  if (values.json) console.log(JSON.stringify(report));
  else
    console.log(
      `in process ${report.inProcessRolloutsPerSecond} rollouts/s, through the server ${report.httpRolloutsPerSecond} rollouts/s: ${report.ratio} (at least ${leastRatio})\n` +
        `${connected.runners} connected runners: ${connected.rolloutsPerSecond} rollouts/s, the server holds ${connected.serverRssMiB} MiB\n` +
        traces
          .map(
            (each) =>
              `OpenTelemetry, ${each.store}, ${each.spansPerExport} spans an export: ${each.spansPerCpuSecond} spans for each CPU second (at least ${each.spansPerExport === 1 ? 'any' : leastSpans})`,
          )
          .join('\n'),
    );
  if (!report.isMet) process.exitCode = 1;
} finally {
  await remote.close();
  await local.close();
  child.disconnect();
  rmSync(folder, { recursive: true });
}

/** Connects many runners, each with connections of its own, lets all of them wait for work, and gives each two rollouts. */
async function measureRunners(): Promise<{
  runners: number;
  rollouts: number;
  done: number;
  rolloutsPerSecond: number;
  serverRssMiB: number;
}> {
  const stores: RemoteStore[] = Array.from({ length: runners }, () => connectStore({ url, key, outageMs: 60_000 }));
  const rollouts = 2 * runners;
  const before = (await remote.statistics()).rollouts.succeeded;
  await Promise.all(stores.map((store) => store.waitForWork({}, { timeoutMs: 1 })));
  const rate = await measureRollouts(remote, stores, { rollouts, workers: runners, claimLimit: 1 });
  const done = (await remote.statistics()).rollouts.succeeded - before;
  child.send('how much?');
  const [{ rssBytes }] = (await once(child, 'message')) as [{ rssBytes: number }];
  await Promise.all(stores.map((store) => store.close()));
  return { runners, rollouts, done, rolloutsPerSecond: Math.round(rate), serverRssMiB: Math.round(rssBytes / 2 ** 20) };
}

async function startProcess(path: string): Promise<{ child: ChildProcess; url: string; key: string }> {
  const program = fileURLToPath(new URL('./server-process.ts', import.meta.url));
  const forked = fork(program, [path], { execArgv: ['--conditions=@agent-lightning/source'] });
  const [{ url: address, key: adminKey }] = (await once(forked, 'message')) as [{ url: string; key: string }];
  return { child: forked, url: address, key: adminKey };
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!;
}
