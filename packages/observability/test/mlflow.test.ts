import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { MetricLog, mlflow, type MetricRun, type MlflowOptions } from '../src/index.ts';
import { startMlflowServer, type MlflowServer } from './mlflow-server.ts';

let server: MlflowServer;
beforeEach(async () => {
  server = await startMlflowServer();
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await server.close();
});

const config = { 'algorithm.groupSize': 8, note: 'x'.repeat(600) };

/** Opens the log of a run, as a process that trains does. */
function openLog(options: Partial<MlflowOptions> = {}, runId = 'run-a', given: MetricRun['config'] = config) {
  const lines: string[] = [];
  const told = Promise.withResolvers<void>();
  const tell = (line: string): void => {
    lines.push(line);
    told.resolve();
  };
  const log = new MetricLog({
    writers: [mlflow({ url: server.url, ...options })],
    run: { runId, runDirectory: '/runs/a', startedAtMs: 0, config: given },
    logger: { info: tell, warn: tell, error: tell },
  });
  return { log, lines, isTold: told.promise };
}

const line = (step: number) => ({ step, reward: { mean: step / 10, byKind: { 'größer (1)': 1 } }, wallSeconds: step });

it('makes an experiment and a run with the options, and writes the metrics of each step', async () => {
  const { log, lines } = openLog({ token: 'secret' });
  log.begin([]);
  for (const step of [1, 2]) log.add(line(step));
  await log.end('completed');
  expect([lines, server.authorization]).toEqual([[], 'Bearer secret']);
  const [run] = server.runs;
  expect(run!.info.status).toBe('FINISHED');
  expect(run!.params).toEqual([
    { key: 'algorithm.groupSize', value: '8' },
    { key: 'note', value: `${'x'.repeat(499)}…` },
  ]);
  expect(run!.history.map(({ key, step, value }) => [key, step, value])).toEqual([
    ['reward/mean', 1, 0.1],
    ['reward/byKind/gr_xf6__xdf_er _x28_1_x29_', 1, 1],
    ['wallSeconds', 1, 1],
    ['reward/mean', 2, 0.2],
    ['reward/byKind/gr_xf6__xdf_er _x28_1_x29_', 2, 1],
    ['wallSeconds', 2, 2],
  ]);
});

it('goes on in the same run when it is resumed, without a step twice', async () => {
  const first = openLog();
  first.log.begin([]);
  for (const step of [1, 2, 3]) first.log.add(line(step));
  await first.log.end('interrupted');
  expect(server.runs[0]!.info.status).toBe('KILLED');
  const second = openLog();
  second.log.begin([line(1), line(2)]); // step 3 runs again
  for (const step of [3, 4]) second.log.add(line(step));
  await second.log.end('completed');
  expect(server.runs).toHaveLength(1);
  for (const key of ['reward/mean', 'wallSeconds'])
    expect(server.runs[0]!.history.filter((metric) => metric.key === key).map(({ step }) => step)).toEqual([
      1, 2, 3, 4,
    ]);
});

it('gets, when it is back, the steps of an outage', async () => {
  const { log, lines, isTold } = openLog();
  server.isAway = true;
  log.begin([]);
  log.add(line(1));
  await isTold;
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/^MLflow at 127\.0\.0\.1:\d+ takes no metrics: MLflow at .* answered .* with 503/);
  server.isAway = false;
  log.add(line(2));
  await log.end('completed');
  const rewards = server.runs[0]!.history.filter(({ key }) => key === 'reward/mean');
  expect(rewards.map(({ step }) => step)).toEqual([1, 2]);
});

it('is given up for a step when it does not answer in time, and the time can be chosen', async () => {
  const silent = createServer((socket) => void socket.on('error', () => {}).resume()).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const { log, lines } = openLog({ url, requestTimeoutMs: 1 });
  log.begin([]);
  log.add(line(1));
  await log.end('completed');
  expect(lines.join('\n')).toMatch(/cannot be reached for experiments\/get-by-name: .*timeout/);
  expect(lines.at(-1)).toContain('has not taken the metrics of 1 step');
  silent.close();
  await once(silent, 'close');
  expect(() => mlflow({ url, requestTimeoutMs: 0 })).toThrow('mlflow: requestTimeoutMs');
});

it('gets all options, also after an outage between two requests with them', async () => {
  const many = Object.fromEntries(Array.from({ length: 150 }, (_, index) => [`option-${index}`, index]));
  const { log, lines, isTold } = openLog({}, 'run-a', many);
  server.batchesLeft = 1;
  log.begin([]);
  await isTold;
  expect(lines).toHaveLength(1);
  expect(server.runs[0]!.params).toHaveLength(100);
  server.batchesLeft = undefined;
  server.isAway = false;
  log.add(line(1));
  await log.end('completed');
  expect(server.runs[0]!.params).toHaveLength(150);
});

it('is let in by the name and password of the address, and shows neither', async () => {
  const withPassword = server.url.replace('//', '//ada:s3%20cret@');
  const { log, lines, isTold } = openLog({ url: withPassword });
  server.isAway = true;
  log.begin([]);
  await isTold;
  expect(lines).toHaveLength(1);
  expect(server.authorization).toBe(`Basic ${Buffer.from('ada:s3 cret').toString('base64')}`);
  await log.end('completed');
  expect(lines.join()).toContain('with 503');
  expect(lines.join()).not.toMatch(/ada|cret/);
  expect(() => mlflow({ url: 'ftp://ada:s3cret@host' })).toThrow(expect.not.objectContaining({ message: /cret/ }));
  expect(() => mlflow({ url: 'ftp://ada:s3cret@host' })).toThrow('//…@host');
});

it.each([
  ['token', 'Bearer', () => openLog({ token: 'canary-token' })],
  ['password', 'Basic', () => openLog({ url: server.url.replace('//', '//ada:canary@') })],
])('shows no %s that the server repeats', async (_name, scheme, open) => {
  const { log, lines, isTold } = open();
  server.isAway = true;
  log.begin([]);
  await isTold;
  expect(lines).toHaveLength(1);
  await log.end('completed');
  expect(lines.join()).toContain(`${scheme} [key] must wait`);
});

it('names what is not an address', () => {
  vi.stubEnv('MLFLOW_TRACKING_URI', 'file:///tmp/mlruns');
  expect(() => mlflow()).toThrow(/mlflow: url must be the http\(s\) address .*MLFLOW_TRACKING_URI; got "?file/);
});
