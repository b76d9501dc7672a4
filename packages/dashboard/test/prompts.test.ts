import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startDashboard, type Dashboard } from '../src/index.ts';
import type { PromptSearch } from '../src/prompts/shapes.ts';
import { createFolder } from './make-run.ts';

let folder: string;
let dashboard: Dashboard;
beforeAll(async () => {
  folder = await createFolder('kept');
  dashboard = await startDashboard({ source: folder });
});
afterAll(async () => await dashboard.close());

/** Writes a run directory with files of a search, by their names. */
async function write(name: string, algorithm: string, files: Readonly<Record<string, unknown>>): Promise<void> {
  const record = { runId: 'run', startedAt: '', config: { 'algorithm.name': algorithm } };
  for (const [path, content] of Object.entries({ 'run.json': record, ...files })) {
    await mkdir(join(folder, name, path, '..'), { recursive: true });
    await writeFile(join(folder, name, path), typeof content === 'string' ? content : JSON.stringify(content));
  }
}

async function ask(name: string): Promise<{ readonly status: number; readonly body: PromptSearch }> {
  const response = await fetch(`${dashboard.url}/api/runs/${name}/prompts`);
  return { status: response.status, body: (await response.json()) as PromptSearch };
}

const pool = [
  {
    id: 'a',
    step: 0,
    parents: [],
    texts: { p: 'code' },
    scores: [0, 1],
    rewards: [{ right: 0, short: 1 }, { right: 1 }],
  },
  { id: 'b', step: 1, parents: [0], texts: { p: 'new' }, scores: [1, 1], rewards: [{ right: 1, short: 0 }, {}] },
  {
    id: 'c',
    step: 2,
    parents: [0, 1],
    texts: { p: 'both' },
    scores: [1, 0],
    rewards: [{ right: 1, short: 0 }, { right: 0 }],
  },
];

it('are those of the result, with what each is best in', async () => {
  const candidates = pool.map((each) => ({ ...each, score: (each.scores[0]! + each.scores[1]!) / 2 }));
  await write('result', 'gepa', {
    'model/candidates.json': { score: 1, selection: [4, 7], candidates },
    'model/prompts.json': { p: 'new' },
  });
  const { body } = await ask('result');
  expect(body).toMatchObject({
    algorithm: 'gepa',
    source: 'result',
    selection: [4, 7],
    dimensions: ['right', 'short'],
  });
  expect(body.candidates).toMatchObject([
    {
      id: 'a',
      score: 0.5,
      leads: 1,
      leadsAlone: 0,
      isBest: false,
      means: { right: 0.5, short: 1 },
      isUndominated: true,
    },
    { id: 'b', parents: ['a'], score: 1, leads: 2, leadsAlone: 0, isBest: true, means: { right: 1, short: 0.5 } },
    { id: 'c', parents: ['a', 'b'], leads: 1, isUndominated: false },
  ]);
});

it('are those of the newest checkpoint that can be read while the run goes on', async () => {
  await write('going', 'gepa', {
    'checkpoints/step-000001/gepa.json': { format: 2, pool: pool.slice(0, 1), selection: [4, 7] },
    'checkpoints/step-000002/gepa.json': { format: 2, pool, selection: [4, 7] },
    'checkpoints/step-000003/gepa.json': '{"format":',
  });
  const { body } = await ask('going');
  expect(body).toMatchObject({ source: 'checkpoint', step: 2 });
  expect(body.candidates.map(({ id, score, isBest }) => [id, score, isBest])).toEqual([
    ['a', 0.5, false],
    ['b', 1, true],
    ['c', 0.5, false],
  ]);
  await rm(join(folder, 'going', 'checkpoints'), { recursive: true });
  expect((await ask('going')).body).toMatchObject({ source: 'none', candidates: [] });
});

it('are those that APO compared, of which two have run all selection tasks', async () => {
  const first = { id: 'a', step: 0, texts: { p: 'code' }, scores: [0, 1] };
  const best = { id: 'c', step: 2, parent: 'b', texts: { p: 'third' }, scores: [1, 1] };
  const history = [
    { id: 'b', step: 1, parent: 'a', texts: { p: 'second' }, roundScore: 0.75 },
    { ...best, scores: undefined, roundScore: 0.5 },
  ];
  await write('apo', 'apo', {
    'checkpoints/step-000002/apo.json': { format: 2, selection: [1, 2], first, best, history },
  });
  expect((await ask('apo')).body.candidates).toMatchObject([
    { id: 'a', score: 0.5, leads: 1 },
    { id: 'b', parents: ['a'], score: 0.75 },
    { id: 'c', parents: ['b'], score: 1, isBest: true, leads: 2, leadsAlone: 1 },
  ]);
});

it('are not there for another algorithm, and what is no candidate is left out', async () => {
  await write('weights', 'grpo', {});
  expect((await ask('weights')).status).toBe(404);
  await write('odd', 'gepa', { 'model/candidates.json': { selection: 'x', candidates: [null, { id: 1 }, pool[0]] } });
  expect((await ask('odd')).body.candidates.map(({ id }) => id)).toEqual(['a']);
});
