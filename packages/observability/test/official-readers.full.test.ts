/**
 * What the official programs read of a run that was resumed: TensorBoard's own reader, a real MLflow server, and the client of W&B. AGENT_LIGHTNING_TRACKERS
 * names a Python that has them: `pip install tensorboard==2.20.0 mlflow==3.17.2 wandb==0.31.0`.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { guardTree, hasProcessGroups, signalTree, systemClock, type Clock } from '@agent-lightning/platform';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MetricLog, mlflow, tensorBoard, type MetricWriter } from '../src/index.ts';

const python = process.env['AGENT_LIGHTNING_TRACKERS'] ?? '';
const expected = [0.25, 0.5, 0.75, 1].map((value, index) => [index + 1, value]);

/** A day, which stands for no bound: however busy the machine is, the server may take its time. */
const dayMs = 86_400_000;
const patient: Clock = { ...systemClock, wait: (_ms, signal, idle) => systemClock.wait(dayMs, signal, idle) };

let root: string;

/** Writes a run in two processes' worth of logs: the second repeats the third step. */
async function writeRun(open: () => MetricWriter): Promise<void> {
  const tell = (text: string): never => expect.fail(text);
  const logger = { info: tell, warn: tell, error: tell };
  const run = { runId: 'run-a', runDirectory: root, startedAtMs: Date.now(), config: { groupSize: 8 } };
  const line = (step: number) => ({ step, reward: { mean: step / 4 } });
  for (const [kept, steps] of [
    [[], [1, 2, 3]],
    [
      [1, 2],
      [3, 4],
    ],
  ] as const) {
    const log = new MetricLog({ writers: [open()], run, logger, clock: patient });
    log.begin(kept.map(line));
    for (const step of steps) log.add(line(step));
    await log.end('completed');
  }
}

describe('official readers (need AGENT_LIGHTNING_TRACKERS)', { skip: !existsSync(python) }, () => {
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'trackers-'));
  });
  afterAll(() => rm(root, { recursive: true }));

  it('reads each step once in TensorBoard, with its checksums', async () => {
    await writeRun(() => tensorBoard());
    const program = `
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(sys.argv[1]).Reload()
print(json.dumps({tag: [[event.step, event.value] for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}))`;
    const read = execFileSync(python, ['-W', 'ignore', '-c', program, join(root, 'tensorboard')], { stdio: 'pipe' });
    expect(JSON.parse(read.toString())).toEqual({ 'reward/mean': expected });
  });

  it('hands its metrics to W&B by the program of the documents', async () => {
    const page = await readFile(join(import.meta.dirname, '../../../docs/observability.md'), 'utf8');
    const program = /^```py \[to_wandb\.py\]\n([^]*?)^```$/m.exec(page)![1]!;
    const directory = join(root, 'run-a');
    await mkdir(directory);
    const lines = [1, 2].map((step) => JSON.stringify({ step, reward: { mean: step / 4, byKind: { easy: step } } }));
    await writeFile(join(directory, 'metrics.jsonl'), `${lines.join('\n')}\n`);
    const env = { ...process.env, WANDB_MODE: 'offline', WANDB_DIR: root, WANDB_SILENT: 'true' };
    execFileSync(python, ['-c', program, directory], { cwd: root, env, stdio: 'pipe' });
    const [file] = globSync('wandb/offline-run-*/*.wandb', { cwd: root });
    const read = execFileSync(python, ['-c', readWandbHistory, join(root, file!)], { env, stdio: 'pipe' });
    expect(JSON.parse(read.toString())).toEqual([
      { _step: 1, 'reward.mean': 0.25, 'reward.byKind.easy': 1 },
      { _step: 2, 'reward.mean': 0.5, 'reward.byKind.easy': 2 },
    ]);
  });

  // A server that has just begun can take minutes for its first answers.
  it('finds each step once in a real MLflow server', { timeout: 1_800_000 }, async () => {
    const port = await freePort();
    const database = `sqlite:///${join(root, 'mlflow.db')}`;
    const words = ['-m', 'mlflow', 'server', '--host', '127.0.0.1', '--port', String(port)];
    const child = spawn(python, [...words, '--backend-store-uri', database, '--workers', '1'], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: hasProcessGroups,
    });
    const release = guardTree(child);
    const listens = Promise.withResolvers<void>();
    const printed: string[] = [];
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => {
        printed.push(text);
        // It prints of other servers too, which start before it.
        if (printed.join('').includes(`Uvicorn running on http://127.0.0.1:${port}`)) listens.resolve();
      });
    child.once('exit', () => listens.reject(new Error(`mlflow ended: ${printed.join('')}`)));
    await listens.promise;
    const url = `http://127.0.0.1:${port}`;
    try {
      const ask = async (route: string, body?: object): Promise<never> =>
        (await (
          await fetch(`${url}/api/2.0/mlflow/${route}`, {
            method: body === undefined ? 'GET' : 'POST',
            headers: { 'content-type': 'application/json' },
            ...(body && { body: JSON.stringify(body) }),
          })
        ).json()) as never;
      await writeRun(() => mlflow({ url, requestTimeoutMs: dayMs }));
      const { experiment } = await ask('experiments/get-by-name?experiment_name=agent-lightning');
      const { runs } = await ask('runs/search', { experiment_ids: [(experiment as Found).experiment_id] });
      const [run, ...others] = runs as readonly Found[];
      expect([others, run!.info.status, run!.data.params]).toEqual([
        [],
        'FINISHED',
        [{ key: 'groupSize', value: '8' }],
      ]);
      const { metrics } = await ask(`metrics/get-history?run_id=${run!.info.run_id}&metric_key=reward/mean`);
      expect((metrics as readonly Found[]).map(({ step, value }) => [Number(step ?? 0), value])).toEqual(expected);
    } finally {
      signalTree(child, 'SIGKILL');
      await once(child, 'exit');
      release();
    }
  });
});

/** Reads a file of the W&B client: records in the log format of LevelDB, of which it prints the history. */
const readWandbHistory = `
import json, struct, sys
from wandb.proto.wandb_internal_pb2 import Record
data, at, parts, rows = open(sys.argv[1], "rb").read(), 7, [], []
while at + 7 <= len(data):
    if 32768 - at % 32768 < 7:
        at += 32768 - at % 32768
        continue
    length, kind = struct.unpack_from("<HB", data, at + 4)
    parts.append(data[at + 7 : at + 7 + length])
    at += 7 + length
    if kind in (1, 4):
        record, parts = Record.FromString(b"".join(parts)), []
        if record.HasField("history"):
            rows.append({".".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item})
wanted = lambda name: name == "_step" or name.startswith("reward")
print(json.dumps([{name: value for name, value in row.items() if wanted(name)} for row in rows]))`;

interface Found {
  readonly experiment_id: string;
  readonly info: { readonly status: string; readonly run_id: string };
  readonly data: { readonly params: unknown };
  readonly step?: unknown;
  readonly value: number;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
