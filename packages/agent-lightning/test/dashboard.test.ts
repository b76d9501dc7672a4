import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KeyRing, startServer } from '@agent-lightning/server';
import { MemoryStore } from '@agent-lightning/store';
import { judge, measureAgreement } from '@agent-lightning/tracing';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCommandLine } from '../src/cli/run-command-line.ts';
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
    const listening = JSON.parse(first!) as Readonly<Record<string, string>>;
    expect(listening).toMatchObject({ event: 'listening', url: end.json()['url'] });
    // A store alone has no place for notes, and so no key.
    if (place[0] === 'alone.sqlite') expect(listening).not.toHaveProperty('notesUrl');
    else expect(listening['notesUrl']).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/#key=[\w-]{43}$/);
    expect(end.json()).toEqual({ url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/), stopped: true });
  }
});

it('serves run directories with the store that has their rollouts', async () => {
  const end = await dashboard('runs', '--store', 'alone.sqlite');
  expect(end.exitCode, end.complaints).toBe(0);
  expect(await dashboard('alone.sqlite', '--store', 'alone.sqlite')).toMatchObject({
    exitCode: 1,
    complaints: expect.stringContaining('--store goes with a run directory'),
  });
});

it('shows the rollouts of a run that are in the store of a server', async () => {
  const store = new MemoryStore({ watchdogIntervalMs: 0 });
  await store.enqueue([{ rolloutId: 'r', runId: 'run', input: 'a task' }]);
  const keys = new KeyRing();
  const { key } = await keys.add({ role: 'trainer' });
  const server = await startServer({ store, port: 0, keys });
  const stopping = new AbortController();
  const listening = Promise.withResolvers<string>();
  const ended = runCommandLine(['dashboard', 'runs', '--store', server.url, '--port', '0', '--json'], {
    write: (text) => listening.resolve((JSON.parse(text) as { readonly url: string }).url),
    complain: (text) => listening.reject(new TypeError(text)),
    environment: { AGENT_LIGHTNING_KEY: key },
    directory: folder,
    interruption: () => stopping.signal,
  });
  const response = await fetch(`${await listening.promise}/api/runs/a/rollouts`);
  expect(await response.json()).toMatchObject({ total: 1, items: [{ id: 'r', task: 'a task' }] });
  stopping.abort('SIGINT');
  expect(await ended).toBe(0);
  for (const place of [['runs', '--store', server.url], [server.url]]) {
    const environment = { AGENT_LIGHTNING_KEY: 'wrong' };
    const refused = await runInProcess(['dashboard', ...place, '--port', '0'], { directory: folder, environment });
    expect(refused).toMatchObject({ exitCode: 1, output: '' });
    expect(refused.complaints).toContain('unauthorized');
  }
  await server.close();
  await store.close();
});

it('says what is wrong with a place, and with a port', async () => {
  const missing = await dashboard('nowhere');
  expect(missing.json()).toMatchObject({
    error: { code: 'option-invalid', message: expect.stringContaining('nowhere') },
  });
  expect(missing.exitCode).toBe(1);
  expect(await runInProcess(['dashboard', '--port', 'x'], { directory: folder })).toMatchObject({ exitCode: 2 });
});

it('hands on notes as labelled answers, by which a judge is measured, and the conversations of marked rollouts', async () => {
  const run = join(folder, 'runs', 'a');
  const store = await openSqliteStore({ path: join(run, 'store.sqlite'), watchdogIntervalMs: 0, thread: false });
  await store.enqueue(['r1', 'r2', 'r3'].map((rolloutId) => ({ rolloutId, input: { question: `of ${rolloutId}` } })));
  for (const { lease } of await store.claim({ workerId: 'w', limit: 3 })) {
    const messages = [{ role: 'user', content: 'hi' }];
    const answer = { role: 'assistant', content: `answer of ${lease.rolloutId}` };
    const attributes = {
      'gen_ai.input.messages': JSON.stringify(messages),
      'gen_ai.output.messages': JSON.stringify([answer]),
    };
    const times = { startTimeMs: 1, endTimeMs: 2 };
    const status = { code: 'ok' } as const;
    const ids = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16) };
    await store.appendSpans(lease, [{ ...ids, ...times, status, kind: 'model_call', name: 'chat', attributes }]);
    await store.complete(lease);
  }
  await store.close();
  const notes = [
    { rolloutId: 'r1', mark: 'good', comment: 'right', at: '' },
    { rolloutId: 'r2', mark: 'bad', at: '' },
    { rolloutId: 'r3', comment: 'no score', at: '' },
  ];
  writeFileSync(join(run, 'notes.jsonl'), notes.map((note) => `${JSON.stringify(note)}\n`).join(''));
  const command = async (...args: string[]): Promise<CommandEnd> =>
    await runInProcess([...args, '--json'], { directory: folder });
  const read = (name: string): readonly object[] =>
    readFileSync(join(folder, name), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as object);

  expect((await command('export', 'notes', 'runs/a', '--output', 'all.jsonl')).json()).toMatchObject({ notes: 3 });
  expect(read('all.jsonl')[0]).toMatchObject({
    task: { question: 'of r1' },
    answer: 'answer of r1',
    label: 1,
    comment: 'right',
  });
  await command('export', 'notes', 'runs/a', '--labelled', '--output', 'labels.jsonl');
  const labels = read('labels.jsonl') as Parameters<typeof measureAgreement>[1];
  const rate = judge({
    rubric: 'The answer is of the first rollout.',
    model: async (request) => `<score>${request.includes('answer of r1') ? 9 : 2}</score>`,
  });
  expect(await measureAgreement(rate, labels)).toMatchObject({ answers: 2, failed: 0, ordered: 1 });

  const marked = await command('export', 'sft', 'runs/a', '--marked', 'good', '--output', 'good.jsonl');
  expect(marked.json(), marked.complaints).toMatchObject({ rows: 1 });
  expect(JSON.stringify(read('good.jsonl'))).toContain('answer of r1');
  expect(await command('export', 'sft', 'alone.sqlite', '--marked', 'good', '--output', 'x')).toMatchObject({
    exitCode: 2,
  });
  expect(await command('export', 'notes', 'runs', '--output', 'x')).toMatchObject({ exitCode: 2 });
});
