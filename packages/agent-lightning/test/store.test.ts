import { closeSync, mkdtempSync, openSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KeyRing, startServer } from '@agent-lightning/server';
import { MemoryStore } from '@agent-lightning/store';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { runInProcess } from './run-in-process.ts';

let folder: string;
let path: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'store-commands-'));
  path = join(folder, 'shared.sqlite');
  const store = await openSqliteStore({ path });
  await store.enqueue([
    { rolloutId: 'a1', runId: 'a', input: 1 },
    { rolloutId: 'b1', runId: 'b', input: 2 },
  ]);
  await store.cancel('a1');
  await store.close();
});
afterEach(() => rmSync(folder, { recursive: true }));

it('deletes a run when it is told so twice, and no run with a rollout that is not final', async () => {
  const remove = (...args: string[]) => runInProcess(['store', 'delete', path, '--json', ...args]);
  expect(await remove('--run', 'a')).toMatchObject({ exitCode: 2, complaints: expect.stringContaining('--yes') });
  expect((await remove('--run', 'a', '--yes')).json()).toEqual({ run: 'a', deleted: 1 });
  expect(await remove('--run', 'a', '--yes')).toMatchObject({ exitCode: 2 });
  expect((await remove('--run', 'b', '--yes')).json()).toMatchObject({ error: { code: 'store-conflict' } });
  const { output } = await runInProcess(['store', 'query', path, '--oldest']);
  expect(output).toMatch(/^1 rollouts are shown; the store holds 1 queuing/);
  expect(output).toMatch(/\nb1 +train +queuing +-/);
});

it('deletes what ended before a day, and nothing that goes on', async () => {
  const remove = (...args: string[]) => runInProcess(['store', 'delete', path, '--json', ...args]);
  for (const args of [[], ['--run', 'a', '--ended-before', '2020-01-01'], ['--ended-before', 'tuesday', '--yes']])
    expect(await remove(...args)).toMatchObject({ exitCode: 2 });
  expect(await remove('--ended-before', '2020-01-01')).toMatchObject({ complaints: expect.stringContaining('--yes') });
  expect((await remove('--ended-before', '2020-01-01', '--yes')).json()).toMatchObject({ deleted: 0 });
  const moment = new Date(Date.now() - 1).toISOString();
  expect((await remove('--ended-before', moment, '--yes')).json()).toEqual({ endedBefore: moment, deleted: 1 });
  const { rollouts } = (await runInProcess(['store', 'query', path, '--json'])).json();
  expect(rollouts).toMatchObject([{ rolloutId: 'b1' }]);
});

it('deletes old rollouts at a server with a key of role admin, and changes nothing else', async () => {
  let nowMs = Date.now() - 1_000_000;
  const store = new MemoryStore({ now: () => nowMs, watchdogIntervalMs: 0 });
  const ids = Array.from({ length: 450 }, (_item, index) => `old${index}`);
  await store.enqueue(ids.map((rolloutId) => ({ rolloutId, input: 1 })));
  for (const rolloutId of ids) await store.cancel(rolloutId);
  await store.enqueue([{ rolloutId: 'overdue', input: 1, timeouts: { queueMs: 1 } }]);
  nowMs += 1_000;
  const keys = new KeyRing();
  const [admin, trainer] = [await keys.add({ role: 'admin' }), await keys.add({ role: 'trainer' })];
  const server = await startServer({ store, port: 0, keys });
  const remove = ({ key }: { readonly key: string }) => {
    const url = server.url.replace('//', `//:${key}@`);
    return runInProcess(['store', 'delete', url, '--json', '--yes', '--ended-before', new Date(nowMs).toISOString()]);
  };
  expect((await remove(trainer)).json()).toMatchObject({ error: { code: 'forbidden' } });
  expect((await remove(admin)).json()).toMatchObject({ deleted: 450 });
  expect((await store.statistics()).rollouts).toMatchObject({ cancelled: 0, queuing: 1 });
  await server.close();
  await store.close();
});

it('shows no control sequence of an agent to the terminal, as text or as JSON', async () => {
  const store = await openSqliteStore({ path });
  const [claim] = await store.claim({ workerId: 'w', limit: 1 });
  await store.fail(claim!.lease, { code: '\u001b]0;owned\u0007\u001b[2J\u009b31mError', message: 'boom' });
  await store.close();
  for (const args of [['query'], ['query', '--json'], ['query', '--rollout', 'b1']]) {
    const [name, ...more] = args as [string, ...string[]];
    const { exitCode, output } = await runInProcess(['store', name, path, ...more]);
    expect(exitCode).toBe(0);
    // oxlint-disable-next-line no-control-regex -- these are the characters that must not pass
    expect(output.replaceAll(/[\n\t]/g, ''), args.join(' ')).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
  }
  const { rollouts } = (await runInProcess(['store', 'query', path, '--json'])).json();
  expect(JSON.stringify(rollouts)).toContain('\u009b31mError');
});

it('finds a damaged file, and refuses a database of another program and one that is not there', async () => {
  const { size } = statSync(path);
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(4_096, 0x5a), 0, 4_096, size - 4_096);
  closeSync(file);
  const damaged = await runInProcess(['store', 'check', path, '--json']);
  expect([damaged.exitCode, damaged.json()['ok'] ?? damaged.json()['error']]).not.toEqual([0, true]);
  const other = join(folder, 'text.sqlite');
  writeFileSync(other, 'no database, but long enough to be read as the header of one '.repeat(10));
  expect((await runInProcess(['store', 'migrate', other, '--json'])).json()).toHaveProperty('error.code');
  expect(await runInProcess(['store', 'query', join(folder, 'gone')])).toMatchObject({
    exitCode: 1,
    complaints: expect.stringContaining('there is no store'),
  });
  expect(await runInProcess(['store', 'query', path, '--schema', 'x'])).toMatchObject({ exitCode: 1 });
});
