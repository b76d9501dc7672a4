import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runInProcess, type CommandEnd } from './run-in-process.ts';

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'dashboard-command-'));
  mkdirSync(join(folder, 'runs', 'a'), { recursive: true });
  writeFileSync(join(folder, 'runs', 'a', 'run.json'), JSON.stringify({ runId: 'run', startedAt: '', config: {} }));
  await (await openSqliteStore({ path: join(folder, 'alone.sqlite') })).close();
});
afterAll(() => rmSync(folder, { recursive: true }));

const dashboard = async (...args: string[]): Promise<CommandEnd> =>
  await runInProcess(['dashboard', ...args, '--port', '0', '--json'], {
    directory: folder,
    signal: AbortSignal.abort('SIGINT'),
  });

it('serves runs, one run, or a store until it is interrupted', async () => {
  for (const place of [[], ['runs'], [join('runs', 'a')], ['alone.sqlite']]) {
    const end = await dashboard(...place);
    expect(end.exitCode, end.complaints).toBe(0);
    const [first] = end.output.split('\n');
    expect(JSON.parse(first!)).toEqual({ event: 'listening', url: end.json()['url'] });
    expect(end.json()).toEqual({ url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/), stopped: true });
  }
});

it('says what is wrong with a place, and with a port', async () => {
  const missing = await dashboard('nowhere');
  expect(missing.json()).toMatchObject({
    error: { code: 'option-invalid', message: expect.stringContaining('nowhere') },
  });
  expect(missing.exitCode).toBe(1);
  expect(await runInProcess(['dashboard', '--port', 'x'], { directory: folder })).toMatchObject({ exitCode: 2 });
});
