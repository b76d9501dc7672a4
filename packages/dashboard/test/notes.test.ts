import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MemoryStore } from '@agent-lightning/store';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { NoteList, RolloutDetails, RolloutPage } from '../src/api.ts';
import {
  exportNotes,
  readNotes,
  startDashboard,
  type Dashboard,
  type ExportNotesOptions,
  type LabelLine,
} from '../src/index.ts';
import { NotesFile } from '../src/notes/notes-file.ts';
import { createFolder, makeRun, runStep } from './make-run.ts';

const adminKey = 'k'.repeat(32);
const steps = [[[1, 0, 0.5, undefined]]] as const;
let directory: string;
let dashboard: Dashboard;

beforeAll(async () => {
  directory = await makeRun(await createFolder('kept'), 'a', steps);
  dashboard = await startDashboard({ source: directory, adminKey });
});
afterAll(async () => await dashboard.close());

async function put(
  rollout: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ readonly status: number; readonly body: { readonly error?: { readonly message: string } } }> {
  const response = await fetch(`${dashboard.url}/api/runs/a/rollouts/${rollout}/note`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${adminKey}`, ...headers },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as object };
}

async function ask<Reply>(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Reply> {
  return (await (await fetch(dashboard.url + path, { headers })).json()) as Reply;
}

async function readLines(options?: ExportNotesOptions): Promise<readonly LabelLine[]> {
  const found: LabelLine[] = [];
  for await (const line of exportNotes(directory, options)) found.push(line);
  return found;
}

const list = async (query: string): Promise<readonly string[]> =>
  (await ask<RolloutPage>(`/api/runs/a/rollouts?${query}`)).items.map(({ id }) => id);

it('are written with the key, shown with their rollout, and select rollouts', async () => {
  expect((await put('run.s1.g0.k0', { mark: 'good', comment: ' short and right ' })).status).toBe(200);
  expect((await put('run.s1.g0.k1', { mark: 'bad', label: 0.25 })).status).toBe(200);
  expect((await put('run.s1.g0.k2', { comment: 'look again' })).status).toBe(200);
  const details = await ask<RolloutDetails>('/api/runs/a/rollouts/run.s1.g0.k0');
  expect(details.note).toMatchObject({
    mark: 'good',
    comment: 'short and right',
    at: expect.stringMatching(/^\d{4}-/),
  });
  expect(await list('note=good')).toEqual(['run.s1.g0.k0']);
  expect(await list('note=any')).toHaveLength(3);
  expect(await list('note=none')).toEqual(['run.s1.g0.k3']);
  expect(await list('text=LOOK')).toEqual(['run.s1.g0.k2']);
  const { notes } = await ask<NoteList>('/api/runs/a/notes');
  expect(notes.map(({ rolloutId }) => rolloutId)).toEqual(['run.s1.g0.k2', 'run.s1.g0.k1', 'run.s1.g0.k0']);
});

it('are changed and taken away by a later one, and every line stays in the file', async () => {
  await put('run.s1.g0.k3', { mark: 'unsure' });
  await put('run.s1.g0.k3', { mark: 'bad' });
  expect(await list('note=bad')).toContain('run.s1.g0.k3');
  await put('run.s1.g0.k3', { mark: null, comment: '' });
  expect(await list('note=none')).toEqual(['run.s1.g0.k3']);
  const lines = (await readFile(join(directory, 'notes.jsonl'), 'utf8')).trimEnd().split('\n');
  expect(lines.filter((line) => line.includes('run.s1.g0.k3'))).toHaveLength(3);
});

it('are exported with task and answer, with a score where they have one', async () => {
  const answered = await fetch(`${dashboard.url}/api/runs/a/notes.jsonl`);
  expect(answered.headers.get('content-type')).toMatch(/^application\/jsonl/);
  const lines = (await answered.text()).trimEnd().split('\n');
  const exported = await readLines();
  expect(lines.map((line) => JSON.parse(line) as object)).toEqual(exported);
  expect(exported[0]).toMatchObject({
    task: { question: 'What is run.s1.g0?', kind: 'even' },
    answer: 'answer 0',
    label: 1,
    mark: 'good',
    reward: 1,
    step: 1,
  });
  expect(exported.map(({ label }) => label)).toEqual([1, 0.25, undefined]);
  expect(await readLines({ labelled: true, mark: 'bad' })).toMatchObject([{ label: 0.25 }]);
});

it('are not written without the key, by a page of another site, nor with what is no note', async () => {
  const before = await readNotes(directory);
  const wrong = [
    [401, { authorization: 'Bearer wrong' }, {}, 'needs the admin key'],
    [401, { authorization: '' }, {}, 'needs the admin key'],
    [403, { 'sec-fetch-site': 'same-site' }, {}, 'another site'],
    [415, { 'content-type': 'text/plain' }, {}, 'application/json'],
    [400, {}, { mark: 'great' }, 'one of good, bad, unsure'],
    [400, {}, { label: 2 }, 'a number from 0 to 1'],
    [400, {}, { comment: 'x'.repeat(10_001) }, 'at most 10000 characters'],
    [400, {}, { coment: 'x' }, 'did you mean "comment"'],
    [400, {}, 'x'.repeat(200_000), 'has more than'],
  ] as const;
  for (const [status, headers, body, message] of wrong) {
    const reply = await put('run.s1.g0.k0', body, headers);
    expect([reply.status, reply.body.error?.message]).toEqual([status, expect.stringContaining(message)]);
  }
  expect((await put('none', {})).status).toBe(404);
  expect(await readNotes(directory)).toEqual(before);
  const access = async (key: string): Promise<object> => await ask('/api/access', { authorization: `Bearer ${key}` });
  expect(await access(adminKey)).toEqual({ canWrite: true, hasKey: true });
  expect(await access('x')).toEqual({ canWrite: false, hasKey: true });
});

it('cannot be written where the dashboard was started without a key, nor on a store alone', async () => {
  await expect(startDashboard({ source: directory, adminKey: 'short' })).rejects.toThrow(/adminKey.*32 characters/);
  const store = new MemoryStore({ watchdogIntervalMs: 0 });
  await runStep(store, 1, [[1]]);
  for (const [key, status] of [
    [undefined, 403],
    [adminKey, 400],
  ] as const) {
    const alone = await startDashboard({ source: { store, title: 'memory' }, ...(key && { adminKey: key }) });
    const reply = await fetch(`${alone.url}/api/runs/store/rollouts/run.s1.g0.k0/note`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${adminKey}` },
      body: '{}',
    });
    expect(reply.status).toBe(status);
    await alone.close();
  }
  await store.close();
});

it('survive a line that a crash cut off', async () => {
  const folder = await createFolder();
  await writeFile(join(folder, 'notes.jsonl'), '{"rolloutId":"a","mark":"good","at":"1"}\n{"rolloutId":"b","ma');
  const file = new NotesFile(folder);
  expect([...(await file.read()).keys()]).toEqual(['a']);
  await file.append({ rolloutId: 'c', comment: 'x', at: '2' });
  await appendFile(join(folder, 'notes.jsonl'), 'null\n{"rolloutId":"d","mark":"odd","comment":3}\n');
  expect([...(await file.read()).values()]).toEqual([
    { rolloutId: 'a', mark: 'good', at: '1' },
    { rolloutId: 'c', comment: 'x', at: '2' },
  ]);
});
