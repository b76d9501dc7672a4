import { Console } from 'node:console';
import { Writable } from 'node:stream';
import { Runner } from '@agent-lightning/runner';
import { MemoryStore } from '@agent-lightning/store';
import { emitObject } from '@agent-lightning/tracing';
import { expect, it } from 'vitest';
import { rescore } from './rescore.ts';

const quiet = new Console(new Writable({ write: (_chunk, _encoding, done) => done() }));

/** Runs the numbers 0 to 4, each rewarded by itself; the last one fails. */
async function storeWithRun(): Promise<MemoryStore> {
  const store = new MemoryStore({ watchdogIntervalMs: 0 });
  const runner = new Runner<number>({
    store,
    rollout: (task) => {
      if (task === 4) throw new RangeError('no such number');
      emitObject({ doubled: task * 2 });
      return task;
    },
  });
  const queued = await store.enqueue([0, 1, 2, 3, 4].map((input) => ({ input, runId: 'run' })));
  await store.enqueue([{ input: 9, runId: 'another' }]);
  const running = runner.run();
  await store.waitFor(queued.map(({ rolloutId }) => rolloutId));
  await runner.stop();
  await running;
  return store;
}

it('gives the rollouts of a run that succeeded their new rewards beside the old, and writes nothing', async () => {
  const store = await storeWithRun();
  const before = await store.statistics();
  const rescored = await rescore<number>(store, {
    concurrency: 2, // several pages
    reward: ({ task, spans }) => {
      if (task === 3) throw new TypeError('not a number that I like');
      if (task === 2) return { right: 1e200 };
      const [object] = spans.filter(({ kind }) => kind === 'object');
      quiet.log('looked at %d', task);
      return { right: object!.attributes['agentlightning.object.json'] === '{"doubled":2}', feedback: `saw ${task}` };
    },
  });
  expect(rescored).toMatchObject([
    { task: 0, before: 0, after: 0, rewards: { right: 0 }, feedback: 'saw 0', console: 'looked at 0' },
    { task: 1, before: 1, after: 1, rewards: { right: 1 }, feedback: 'saw 1', console: 'looked at 1' },
    { task: 2, before: 2, after: undefined, rewards: {}, error: expect.stringContaining('from -1e9 to 1e9') },
    { task: 3, before: 3, after: undefined, rewards: {}, error: 'not a number that I like' },
  ]);
  expect(await store.statistics()).toEqual(before);
  await store.close();
});
