import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runInProcess } from './run-in-process.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'gateway-command-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

it('runs a gateway over a store until it is interrupted, and stores what was captured', async () => {
  const policies = { policy: { upstream: 'a', model: 'm', version: 1 } };
  const config = { upstreams: { a: { baseUrl: 'http://127.0.0.1:9/v1', apiKeyEnv: 'SOME_KEY' } }, policies };
  writeFileSync(join(folder, 'gateway.json'), JSON.stringify(config));
  const args = ['gateway', '--config', 'gateway.json', '--store', 'runs.sqlite', '--port', '0', '--json'];
  const missing = await runInProcess(args, { directory: folder });
  expect(missing).toMatchObject({ exitCode: 1, complaints: expect.stringContaining('SOME_KEY') });
  const environment = { SOME_KEY: 'k' };
  const end = await runInProcess(args, { directory: folder, environment, signal: AbortSignal.abort('SIGTERM') });
  expect(end.exitCode, end.complaints).toBe(0);
  const events = end.output
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { event?: string }).event);
  expect(events).toEqual(['published', 'listening', 'closing', undefined]);
  expect(end.json()).toMatchObject({ url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/), stopped: true });
  expect(existsSync(join(folder, 'runs.sqlite'))).toBe(true);
});

it('tells what is missing for the Python of the worker, without a stack', async () => {
  const end = await runInProcess([
    'setup-python',
    '--python',
    join(folder, 'nowhere'),
    '--installer',
    'pip',
    '--directory',
    join(folder, 'environment'),
  ]);
  expect(end).toMatchObject({
    exitCode: 1,
    complaints: expect.stringMatching(/nowhere: none is Python 3\.10 .*\(command-unavailable\)\n$/),
  });
  expect(await runInProcess(['setup-python', '--installer', 'conda'])).toMatchObject({ exitCode: 2 });
});
