/** The dashboard over a store in PostgreSQL, a real server: from the command to a rollout that comes while it is watched. */
import { rewardAttributes, type SpanInput } from '@agent-lightning/core';
import { openPostgresStore } from '@agent-lightning/store-postgres';
import { startPostgres, type PostgresServer } from '@agent-lightning/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runCommandLine } from '../src/cli/run-command-line.ts';

let server: PostgresServer;
beforeAll(async () => (server = await startPostgres({ fsync: false })), 120_000);
afterAll(async () => await server.stop());

type Store = Awaited<ReturnType<typeof openPostgresStore>>;

const reward: SpanInput = {
  traceId: 'a'.repeat(32),
  spanId: 'b'.repeat(16),
  kind: 'reward',
  name: 'reward',
  startTimeMs: 1,
  endTimeMs: 2,
  status: { code: 'ok' },
  attributes: rewardAttributes(0.5),
};

async function runRollout(store: Store, rolloutId: string): Promise<void> {
  await store.enqueue([
    { rolloutId, groupId: 'g', runId: 'run', input: { question: `task ${rolloutId}` }, metadata: { step: 1 } },
  ]);
  const [claim] = await store.claim({ workerId: 'w' });
  await store.appendSpans(claim!.lease, [reward]);
  await store.complete(claim!.lease);
}

it('shows rollouts, groups and what works now, and follows the store', async () => {
  const store = await openPostgresStore({ connection: server.url, schema: 'shown' });
  await runRollout(store, 'r1');
  await store.enqueue([{ rolloutId: 'waits', input: 1 }]);
  const stopping = new AbortController();
  const listening = Promise.withResolvers<string>();
  let output = '';
  const ended = runCommandLine(['dashboard', server.url, '--schema', 'shown', '--port', '0', '--json'], {
    write: (text) => {
      output += text;
      if (text.includes('listening')) listening.resolve((JSON.parse(text) as { readonly url: string }).url);
    },
    complain: (text) => listening.reject(new TypeError(text)),
    environment: {},
    directory: process.cwd(),
    interruption: () => stopping.signal,
  });
  const url = await listening.promise;
  const ask = async (path: string): Promise<unknown> => await (await fetch(url + path)).json();
  expect(await ask('/api/runs')).toMatchObject({ runs: [{ id: 'store', state: 'store', rollouts: 2 }] });
  expect(JSON.stringify(await ask('/api/runs'))).not.toContain('postgres:postgres@'); // a password is shown nowhere
  expect(await ask('/api/runs/store/rollouts?status=succeeded')).toMatchObject({
    total: 1,
    items: [{ id: 'r1', reward: 0.5 }],
  });
  expect(await ask('/api/runs/store/rollouts/r1')).toMatchObject({ step: 1, rewards: [{ value: 0.5 }] });
  expect(await ask('/api/runs/store/groups/g')).toMatchObject({ rollouts: [{ reward: 0.5 }] });
  expect(await ask('/api/runs/store/live')).toMatchObject({ queue: { waiting: 1 }, workers: [{ id: 'w' }] });
  const reader = (await fetch(`${url}/api/events?run=store`)).body!.pipeThrough(new TextDecoderStream()).getReader();
  await reader.read();
  await runRollout(store, 'r2');
  let text = '';
  let total = 0;
  while (total < 2) {
    while (!text.includes('event: rollouts')) text += (await reader.read()).value ?? '';
    text = '';
    ({ total } = (await ask('/api/runs/store/rollouts?status=succeeded')) as { readonly total: number });
  }
  await reader.cancel();
  stopping.abort('SIGINT');
  expect(await ended, output).toBe(0);
  await store.close();
}, 120_000);
