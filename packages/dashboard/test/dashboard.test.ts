import { request } from 'node:http';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildBatch, StoreError, toEpisode, type LightningRLOptions } from '@agent-lightning/core';
import { RunDirectory } from '@agent-lightning/run';
import { MemoryStore } from '@agent-lightning/store';
import { openSqliteStore } from '@agent-lightning/store-sqlite';
import { afterEach, describe, expect, it } from 'vitest';
import type { GroupDetails, RolloutDetails, RolloutPage, RunDetails, RunList, TokenDetails } from '../src/api.ts';
import { RolloutIndex } from '../src/rollouts/rollout-index.ts';
import { startDashboard, type Dashboard, type DashboardOptions } from '../src/index.ts';
import { config, createFolder, makeRun, rewardSpan, runStep, scoreFailed } from './make-run.ts';

const open: Dashboard[] = [];

afterEach(async () => {
  for (const dashboard of open.splice(0)) await dashboard.close();
});

async function start(source: DashboardOptions['source']): Promise<string> {
  const dashboard = await startDashboard({ source });
  open.push(dashboard);
  return dashboard.url;
}

async function ask<Reply>(url: string, path: string): Promise<Reply> {
  const response = await fetch(url + path);
  expect(response.status, path).toBe(200);
  return (await response.json()) as Reply;
}

/** Asks with headers and methods that `fetch` does not send. */
async function reopen(directory: string): Promise<RunDirectory> {
  return await RunDirectory.open(directory, {
    config,
    resume: true,
    keepCheckpoints: 1,
    runId: 'run',
    now: new Date(),
  });
}

async function askAs(
  url: string,
  path: string,
  headers: Readonly<Record<string, string>>,
  method = 'GET',
): Promise<{ readonly status: number; readonly body: string; readonly policy: string }> {
  const { hostname, port } = new URL(url);
  return await new Promise((resolve, reject) => {
    const sent = request({ hostname, port, path, method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({
          status: response.statusCode!,
          body: Buffer.concat(chunks).toString(),
          policy: String(response.headers['content-security-policy']),
        }),
      );
    });
    sent.on('error', reject).end();
  });
}

const steps = [
  [
    [1, 0, 0.5, undefined],
    [1, 1, 1, 1],
  ],
  [[0, 0, 1, 1]],
] as const;

describe('the runs', () => {
  it('are those of the folder, newest first, and nothing else in it', async () => {
    const folder = await createFolder();
    await makeRun(folder, 'a', steps);
    await makeRun(folder, 'b <i>', []);
    await writeFile(join(folder, 'notes.txt'), 'no run');
    const { runs } = await ask<RunList>(await start(folder), '/api/runs');
    expect(runs.map(({ id }) => id).toSorted()).toEqual(['a', 'b <i>']);
    expect(runs.find(({ id }) => id === 'a')).toMatchObject({ state: 'stopped', steps: 2, rollouts: 12, failed: 1 });
  });

  it('are those in the folder runs of a project, which the first training makes', async () => {
    const project = await createFolder();
    const url = await start(project);
    expect((await ask<RunList>(url, '/api/runs')).runs).toEqual([]);
    await mkdir(join(project, 'runs', 'a'), { recursive: true });
    await writeFile(
      join(project, 'runs', 'a', 'run.json'),
      JSON.stringify({ runId: 'run', startedAt: '', config: {} }),
    );
    expect((await ask<RunList>(url, '/api/runs')).runs).toMatchObject([{ id: 'a' }]);
    expect(await ask<RunDetails>(url, '/api/runs/a')).toMatchObject({ directory: join(project, 'runs', 'a') });
  });

  it('say how they ended, whether they go on, and that they were killed after they had gone on', async () => {
    const folder = await createFolder();
    const directory = await makeRun(folder, 'a', steps);
    const url = await start(directory);
    const state = async (): Promise<Partial<RunDetails>> => await ask<RunDetails>(url, '/api/runs/a');
    const end = {
      outcome: 'stopped: no signal',
      step: 2,
      findings: [{ code: 'flat-groups', step: 1, message: 'flat' }],
    };
    await writeFile(join(directory, 'outcome.json'), JSON.stringify(end));
    expect(await state()).toMatchObject({ state: 'ended', outcome: end.outcome, findings: end.findings });
    const run = await reopen(directory);
    expect(await state()).toMatchObject({ state: 'running' });
    expect(existsSync(join(directory, 'outcome.json'))).toBe(false); // it went on, and may be killed before its next step
    run.close();
    await writeFile(join(directory, 'outcome.json'), JSON.stringify({ ...end, step: 1 }));
    const killed = await state();
    expect(killed).toMatchObject({ state: 'stopped' });
    expect(killed).not.toHaveProperty('outcome');
  });

  it('are all there where one of them is odd, which says what is wrong', async () => {
    const folder = await createFolder();
    for (const name of ['good', 'broken', 'empty-line', 'lock', 'null', 'folder']) await makeRun(folder, name, steps);
    const metricsOf = (name: string): string => join(folder, name, 'metrics.jsonl');
    await writeFile(metricsOf('broken'), `{"step":1,\n${await readFile(metricsOf('good'), 'utf8')}`);
    await writeFile(metricsOf('empty-line'), '{"step":1}\n');
    await mkdir(join(folder, 'lock', 'run.lock'));
    for (const name of ['outcome.json', 'verdict.json']) await writeFile(join(folder, 'null', name), 'null');
    await rm(metricsOf('folder'));
    await mkdir(metricsOf('folder'));
    const url = await start(folder);
    const { runs } = await ask<RunList>(url, '/api/runs');
    expect(Object.fromEntries(runs.map(({ id, steps: count, problem }) => [id, [count, problem]]))).toEqual({
      good: [2, undefined],
      broken: [2, '1 of the lines of metrics.jsonl cannot be read'],
      'empty-line': [0, '1 of the lines of metrics.jsonl cannot be read'],
      lock: [2, undefined],
      null: [2, undefined],
      folder: [0, expect.stringContaining('EISDIR')],
    });
    for (const name of ['broken', 'empty-line', 'lock', 'null'])
      expect(await ask(url, `/api/runs/${name}`)).toMatchObject({ state: 'stopped' });
  });

  it('give their lines of metrics page by page', async () => {
    const url = await start(await makeRun(await createFolder(), 'a', steps));
    expect(await ask(url, '/api/runs/a/metrics?limit=1')).toMatchObject({ lines: [{ step: 1, failed: 1 }], next: 1 });
    const last = await ask<object>(url, '/api/runs/a/metrics?limit=1&after=1');
    expect(last).toMatchObject({ lines: [{ step: 2 }] });
    expect(last).not.toHaveProperty('next');
  });
});

describe('the rollouts', () => {
  it('are filtered, ordered and counted', async () => {
    const url = await start(await makeRun(await createFolder(), 'a', steps));
    const list = async (query: string): Promise<RolloutPage> =>
      await ask<RolloutPage>(url, `/api/runs/a/rollouts${query}`);
    const all = await list('');
    expect(all).toMatchObject({ total: 12, read: 12, isComplete: true, failures: { RangeError: 1 } });
    expect(all.items[0]).toMatchObject({
      id: 'run.s2.g0.k3',
      step: 2,
      reward: 1,
      task: 'What is run.s2.g0?',
      taskKind: 'odd',
    });
    expect((await list('?failure=RangeError')).items.map(({ id }) => id)).toEqual(['run.s1.g0.k3']);
    expect((await list('?steps=2&most=0.5&order=oldest')).items.map(({ id }) => id)).toEqual([
      'run.s2.g0.k0',
      'run.s2.g0.k1',
    ]);
    expect((await list('?order=lowest&limit=2&offset=1&steps=1')).items.map(({ reward }) => reward)).toEqual([0.5, 1]);
  });

  it('appear and end without being asked for again', async () => {
    const store = new MemoryStore({ watchdogIntervalMs: 0 });
    const url = await start({ store, title: 'memory' });
    expect(await ask(url, '/api/runs/store/rollouts')).toMatchObject({ total: 0, isComplete: true });
    const events = await fetch(`${url}/api/events?run=store`);
    const reader = events.body!.pipeThrough(new TextDecoderStream()).getReader();
    await reader.read();
    await runStep(store, 1, [[1, 0]]);
    let text = '';
    let total = 0;
    while (total < 2) {
      while (!text.includes('event: rollouts')) text += (await reader.read()).value ?? '';
      text = '';
      total = (await ask<RolloutPage>(url, '/api/runs/store/rollouts?status=succeeded')).total;
    }
    await reader.cancel();
    await store.close();
  });

  it('are those of the new run where its directory was made anew', async () => {
    const folder = await createFolder();
    const directory = await makeRun(folder, 'a', steps);
    const url = await start(folder);
    expect(await ask(url, '/api/runs/a/rollouts')).toMatchObject({ total: 12 });
    await rm(directory, { recursive: true });
    await makeRun(folder, 'a', [[[1, 0]]]);
    expect(await ask(url, '/api/runs/a/rollouts')).toMatchObject({ total: 2 });
  });

  it('show the rewards that were written after they had ended, when their step has its line of metrics', async () => {
    const directory = await makeRun(await createFolder(), 'a', [[[1, undefined]]]);
    const path = join(directory, 'metrics.jsonl');
    const lines = await readFile(path, 'utf8');
    await writeFile(path, '');
    const url = await start(directory);
    const rewards = async (): Promise<readonly (number | undefined)[]> =>
      (await ask<RolloutPage>(url, '/api/runs/a/rollouts?status=succeeded')).items.map(({ reward }) => reward);
    expect(await rewards()).toEqual([1]);
    const store = await openSqliteStore({
      path: join(directory, 'store.sqlite'),
      watchdogIntervalMs: 0,
      thread: false,
    });
    await store.addReward('run.s1.g0.k0', rewardSpan(0.25));
    await store.close();
    const events = await fetch(`${url}/api/events?run=a`);
    const reader = events.body!.pipeThrough(new TextDecoderStream()).getReader();
    await writeFile(path, lines);
    let text = '';
    while (!text.includes('event: rollouts')) text += (await reader.read()).value ?? '';
    await reader.cancel();
    expect(await rewards()).toEqual([0.25]);
  });

  it('are read from a store elsewhere, by the id of the run, where the run keeps them there', async () => {
    const directory = await makeRun(await createFolder(), 'a', steps);
    await rm(join(directory, 'store.sqlite'));
    const store = new MemoryStore({ watchdogIntervalMs: 0 });
    for (const [index, rewards] of steps.entries()) await runStep(store, index + 1, rewards);
    await store.enqueue([{ rolloutId: 'another', runId: 'other', queue: 'other', input: 1 }]);
    const dashboard = await startDashboard({ source: directory, store });
    open.push(dashboard);
    expect(await ask(dashboard.url, '/api/runs/a')).toMatchObject({ hasStore: true, steps: 2 });
    expect(await ask(dashboard.url, '/api/runs/a/rollouts')).toMatchObject({ total: 12 });
    await runStep(store, 3, [[1]]);
    await store.cancel('another');
    let total = 12;
    while (total < 13) ({ total } = await ask<RolloutPage>(dashboard.url, '/api/runs/a/rollouts'));
    expect(await ask(dashboard.url, '/api/runs/a/rollouts?text=another')).toMatchObject({ total: 0 });
    await open.pop()!.close();
    expect(await store.statistics()).toMatchObject({ rollouts: { cancelled: 1 } }); // its opener closes it
    await store.close();
    await expect(startDashboard({ source: { store, title: 'memory' }, store })).rejects.toThrow(/beside another store/);
  });

  it('show late rewards of a store alone, which has no steps, without being opened again', async () => {
    const store = new MemoryStore({ watchdogIntervalMs: 0 });
    await runStep(store, 1, [[1, 0]]);
    const url = await start({ store, title: 'memory' });
    const rewards = async (): Promise<readonly (number | undefined)[]> =>
      (await ask<RolloutPage>(url, '/api/runs/store/rollouts?order=oldest')).items.map(({ reward }) => reward);
    expect(await rewards()).toEqual([1, 0]);
    const reader = (await fetch(`${url}/api/events?run=store`)).body!.pipeThrough(new TextDecoderStream()).getReader();
    await reader.read();
    await store.addReward('run.s1.g0.k1', rewardSpan(0.75));
    let text = '';
    while (!text.includes('event: rollouts')) text += (await reader.read()).value ?? '';
    await reader.cancel();
    expect(await rewards()).toEqual([1, 0.75]);
    await store.close();
  });

  it('are read again for late rewards page by page, and only where the store has more spans', async () => {
    const store = new MemoryStore({ watchdogIntervalMs: 0 });
    await runStep(store, 1, [[1, 0, undefined]]);
    const index = new RolloutIndex(store);
    await index.whenComplete();
    await index.lookForLateRewards();
    const version = index.version;
    const query = store.queryRollouts.bind(store);
    let queries = 0;
    store.queryRollouts = async (...given) => {
      queries += 1;
      return await query(...given);
    };
    await index.lookForLateRewards();
    expect([index.version, queries]).toEqual([version, 0]);
    await store.addReward('run.s1.g0.k0', rewardSpan(0.5));
    await index.lookForLateRewards();
    expect([index.version, queries]).toEqual([version + 1, 1]);
    expect(index.entries().map(({ reward }) => reward)).toEqual([undefined, 0, 0.5]);
    await index.lookForLateRewards();
    expect(queries).toBe(1); // the whole store has been looked through
    await index.close();
    await store.close();
  });

  it('are read again after a read that failed', async () => {
    const store = new MemoryStore({ watchdogIntervalMs: 0 });
    await runStep(store, 1, [[1, 0]]);
    const query = store.queryRollouts.bind(store);
    let failures = 1;
    store.queryRollouts = async (...given) => {
      if (failures-- > 0) throw new StoreError('the store is away', { code: 'store-unavailable' });
      return await query(...given);
    };
    const url = await start({ store, title: 'memory' });
    expect(failures).toBe(0); // the list is read from the beginning on
    expect(await ask(url, '/api/runs/store/rollouts')).toMatchObject({ total: 2 });
    await store.close();
  });

  it('whose store does not answer hold up no request after the dashboard is closed', async () => {
    const store = new MemoryStore({ watchdogIntervalMs: 0 });
    const gate = Promise.withResolvers<Awaited<ReturnType<typeof store.queryRollouts>>>();
    store.queryRollouts = async () => await gate.promise;
    const index = new RolloutIndex(store);
    const [waiting, closing] = [index.whenComplete(), index.close()];
    await expect(waiting).rejects.toMatchObject({ code: 'store-closed' });
    gate.resolve({ items: [] });
    await closing;
    await store.close();
  });

  it('are shown with rewards, attempts and spans', async () => {
    const url = await start(await makeRun(await createFolder(), 'a', steps));
    const details = await ask<RolloutDetails>(url, '/api/runs/a/rollouts/run.s1.g0.k2');
    expect(details.rewards).toEqual([
      { name: 'right', value: 0.5, scope: 'rollout', feedback: 'because' },
      { name: 'brevity', value: 0.5, scope: 'rollout' },
    ]);
    expect(details.spans.map(({ kind, inputTokens, outputTokens }) => [kind, inputTokens, outputTokens])).toEqual([
      ['model_call', 3, 3],
      ['reward', undefined, undefined],
    ]);
    expect(details.view.entries.map(({ type }) => type)).toEqual(['message', 'message', 'call']);
    expect(await ask(url, '/api/runs/a/rollouts/run.s1.g0.k3')).toMatchObject({
      rollout: { failure: { code: 'RangeError' } },
      failureKind: 'unknown',
    });
  });

  it('stand beside each other in their group, with what they share counted', async () => {
    const url = await start(await makeRun(await createFolder(), 'a', steps));
    const group = await ask<GroupDetails>(url, '/api/runs/a/groups/run.s2.g0');
    expect(group.rollouts.map(({ reward }) => reward)).toEqual([0, 0, 1, 1]);
    expect(group.common).toBe(1); // the question; the answers differ
    const none = await ask<{ readonly items: readonly { readonly id: string }[] }>(
      url,
      '/api/runs/a/groups?signal=none',
    );
    expect(none.items.map(({ id }) => id)).toEqual(['run.s1.g1']);
  });
});

describe('the tokens of a rollout', () => {
  it('have the advantages that the run’s options give them among the whole step', async () => {
    const directory = await makeRun(await createFolder(), 'a', steps);
    const url = await start(directory);
    const shown = await ask<TokenDetails>(url, '/api/runs/a/rollouts/run.s1.g0.k0/tokens');
    const store = await openSqliteStore({
      path: join(directory, 'store.sqlite'),
      watchdogIntervalMs: 0,
      thread: false,
    });
    const { items } = await store.queryRollouts();
    const rollouts = items.filter(({ metadata }) => metadata['step'] === 1);
    const spans = await store.querySpans({
      rolloutIds: rollouts.map(({ rolloutId }) => rolloutId),
      includeTokens: true,
    });
    await store.close();
    const episodes = rollouts.map((rollout) =>
      toEpisode(
        rollout,
        spans.filter(({ rolloutId }) => rolloutId === rollout.rolloutId),
      ),
    );
    const options: LightningRLOptions = {
      credit: 'identical',
      estimator: 'grpo',
      samples: 'trajectory',
      tokenWeighting: 'rollout',
    };
    const [expected] = buildBatch(scoreFailed(episodes), options).samples.filter(
      ({ rolloutId }) => rolloutId === 'run.s1.g0.k0',
    );
    expect(shown).toMatchObject({ advantages: 'computed', texts: 'none' });
    expect(shown.remarks).toContain('Of the rollouts of the step, 1 failed and count with the reward -0.5.');
    expect(shown.samples[0]).toMatchObject({
      ids: [1, 3, 4, 5, 6, 2],
      mask: [0, 0, 0, 1, 1, 1],
      agentNames: ['write_query'],
    });
    expect(shown.samples[0]!.advantages).toEqual([...expected!.tokenAdvantages]);
    expect(shown.samples[0]!.advantages![3]).toBeGreaterThan(0);
  });

  it('have those that were recorded where the run kept them, with their texts', async () => {
    const directory = await makeRun(await createFolder(), 'a', steps);
    const run = await reopen(directory);
    const segments = [{ agentName: 'w', callIndex: 0, policyVersion: 3, start: 1, end: 3, advantage: 0.75 }];
    const samples = [
      {
        tokens: [1, 5, 2],
        texts: ['<s>', 'five', '</s>'],
        lossMask: [0, 1, 1],
        logprobs: [0, -1, -2],
        trainerLogprobs: [0, -1, -1.5],
        segments,
      },
    ];
    await run.writeFile(
      JSON.stringify({
        step: 1,
        rollouts: [{ rolloutId: 'run.s1.g0.k0', groupId: 'run.s1.g0', task: 1, reward: 1, samples }],
      }),
      'samples',
      'first.json',
    );
    run.close();
    const url = await start(directory);
    expect(await ask(url, '/api/runs/a/rollouts/run.s1.g0.k0/tokens')).toMatchObject({
      advantages: 'recorded',
      samples: [
        {
          advantages: [0, 0.75, 0.75],
          texts: ['<s>', 'five', '</s>'],
          policyVersions: [3],
          trainerLogprobs: [0, -1, -1.5],
        },
      ],
    });
    const other = await ask<TokenDetails>(url, '/api/runs/a/rollouts/run.s1.g0.k1/tokens');
    expect(other).toMatchObject({ advantages: 'computed', texts: 'excerpts' });
    expect(other.samples[0]!.texts).toEqual(['<s>', '[3]', '[4]', 'five', '[7]', '</s>']);
  });

  it('say why they have no advantage', async () => {
    const url = await start(await makeRun(await createFolder(), 'a', steps));
    const flat = await ask<TokenDetails>(url, '/api/runs/a/rollouts/run.s1.g1.k0/tokens');
    expect(flat).toMatchObject({ advantages: 'none', remarks: [expect.stringContaining('its group earned the same')] });
    expect(flat.samples[0]!.mask).toEqual([0, 0, 0, 1, 1, 1]);
  });
});

describe('the advantages', () => {
  it('are not told of a control run: its rewards were shuffled', async () => {
    const directory = await makeRun(await createFolder(), 'a', steps, { ...config, control: 'shuffled' });
    const shown = await ask<TokenDetails>(await start(directory), '/api/runs/a/rollouts/run.s1.g0.k0/tokens');
    expect(shown).toMatchObject({ advantages: 'none', remarks: [expect.stringContaining('control run')] });
    expect(shown.samples).toHaveLength(1);
  });

  it('are not told of a step that goes on, nor where the run sorted its failures itself', async () => {
    const directory = await makeRun(await createFolder(), 'a', steps);
    const path = join(directory, 'metrics.jsonl');
    const lines = await readFile(path, 'utf8');
    const url = await start(directory);
    const remarks = async (): Promise<readonly string[]> =>
      (await ask<TokenDetails>(url, '/api/runs/a/rollouts/run.s1.g0.k0/tokens')).remarks;
    await writeFile(path, lines.replace('"world":0', '"world":1').replace('"unknown":1', '"unknown":0'));
    expect(await remarks()).toEqual([expect.stringContaining('sorted their failures in another way')]);
    await rm(path);
    expect(await remarks()).toEqual([expect.stringContaining('is not finished')]);
  });
});

describe('the server', () => {
  it('names the field that is wrong', async () => {
    const url = await start(await makeRun(await createFolder(), 'a', steps));
    const wrong = [
      ['/api/runs/a/rollouts?steps=many', 400, 'steps', 'steps is "many"; give a step such as 7'],
      ['/api/runs/a/rollouts?limit=0', 400, 'limit', 'a whole number from 1 to 500'],
      ['/api/runs/a/rollouts?status=good', 400, 'status', 'one of '],
      ['/api/runs/a/rollouts?step=3', 400, 'step', 'is no field of this route'],
      ['/api/runs/a/rollouts?steps=1&steps=2', 400, 'steps', '1 and 2'],
      ['/api/runs/a?x=1', 400, 'x', 'it has: none'],
      ['/api/runs/b', 404, 'run', 'run "b"'],
      ['/api/runs/a/rollouts/none', 404, 'rollout', 'rollout "none"'],
      ['/api/runs/a/rollouts/%2e%2e%2fetc', 404, 'rollout', '../etc'],
      ['/api/runs/a/rollouts/a..b', 404, 'rollout', 'rollout "a..b"'],
      ['/api/runs/%2e%2e', 404, 'path', '/api/'],
      ['/api/runs/%E0%A4/metrics', 404, 'run', '%E0%A4'],
      ['/api/none', 404, 'path', '/api/none'],
    ] as const;
    for (const [path, status, field, message] of wrong) {
      const reply = await askAs(url, path, {});
      expect(reply.status, path).toBe(status);
      expect(JSON.parse(reply.body), path).toMatchObject({
        error: { field, message: expect.stringContaining(message) },
      });
    }
  });

  it('answers an address that is none, and goes on', async () => {
    const url = await start(await createFolder());
    for (const path of ['//', '//a:b', '///']) {
      const reply = await askAs(url, path, {});
      expect(reply.status, path).toBe(400);
      expect(JSON.parse(reply.body), path).toMatchObject({
        error: { code: 'request-invalid', field: 'path', message: `${path} is no address` },
      });
    }
    expect(await ask<RunList>(url, '/api/runs')).toMatchObject({ runs: [] });
  });

  it('answers to the loopback’s names only, reads only, and loads nothing from elsewhere', async () => {
    const url = await start(await makeRun(await createFolder(), 'a', []));
    const { port } = new URL(url);
    const page = await askAs(url, '/runs/a/rollouts', { host: `localhost:${port}` });
    expect(page).toMatchObject({ status: 200, policy: expect.stringMatching(/^default-src 'self'; base-uri 'none'/) });
    expect(page.body).toMatch(/<script type="module" crossorigin src="\/assets\/[^"]+\.js">/);
    expect(page.body).not.toMatch(/https?:\/\//);
    expect((await askAs(url, '/', { host: 'rebound.example' })).status).toBe(421);
    expect((await askAs(url, '/api/runs', { host: `127.0.0.1.example:${port}` })).status).toBe(421);
    expect(
      (await askAs(url, '/api/runs', { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' })).status,
    ).toBe(403);
    expect((await askAs(url, '/api/runs', {}, 'POST')).status).toBe(405);
    expect(await askAs(url, '/api/events?run=a', {}, 'HEAD')).toMatchObject({ status: 200, body: '' });
    expect((await askAs(url, '/assets/../../package.json', {})).body).not.toContain('"name"');
    expect((await askAs(url, '/assets/none.js', {})).status).toBe(404);
  });

  it('says that a place, a port or an option is wrong', async () => {
    const folder = await createFolder();
    await expect(startDashboard({ source: join(folder, 'none') })).rejects.toThrow(
      /source must be a run directory, or a folder.*none/,
    );
    await expect(startDashboard({ source: folder, port: 70_000 })).rejects.toThrow(
      /port must be a whole number from 0 to 65535.*70000/,
    );
    await expect(startDashboard({ source: folder, prot: 1 } as never)).rejects.toThrow(/prot.*port/);
    const taken = Number(new URL(await start(folder)).port);
    await expect(startDashboard({ source: folder, port: taken })).rejects.toThrow(`port ${taken} is in use`);
  });

  it('says so when a run lost its store or its folder', async () => {
    const folder = await createFolder();
    const directory = await makeRun(folder, 'a', steps);
    const url = await start(folder);
    await rm(join(directory, 'store.sqlite'));
    expect(await ask(url, '/api/runs/a')).toMatchObject({ hasStore: false });
    expect((await fetch(`${url}/api/runs/a/rollouts`)).status).toBe(404);
    await rm(directory, { recursive: true });
    expect(await ask(url, '/api/runs')).toMatchObject({ runs: [] });
  });
});
