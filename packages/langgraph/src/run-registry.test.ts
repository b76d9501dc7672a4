import { afterEach, describe, expect, it } from 'vitest';
import { startRollout } from '../test/__fixtures__/rollout.ts';
import { readPlace } from './node-names.ts';
import { keepRun, takeRun, tracedRuns, type TracedRun } from './run-registry.ts';

afterEach(() => tracedRuns.clear());

describe('the run registry', () => {
  const runOf = (scope: TracedRun['scope']): TracedRun => ({
    scope,
    place: readPlace(undefined),
    agent: { names: [] },
    spanId: undefined,
    span: undefined,
  });

  it('gives each run out once', () => {
    const run = runOf(startRollout().scope);
    keepRun('a', run);
    expect([takeRun('a'), takeRun('a')]).toEqual([run, undefined]);
  });

  it('forgets the runs of attempts that are over when many have gathered', async () => {
    const [over, running] = [startRollout(), startRollout()];
    for (let index = 0; index < 4_000; index++) keepRun(`over ${index}`, runOf(over.scope));
    await over.scope.recorder.close();
    for (let index = 0; index < 200; index++) keepRun(`running ${index}`, runOf(running.scope));
    expect([...tracedRuns.keys()].filter((id) => id.startsWith('over'))).toEqual([]);
    expect(tracedRuns.size).toBe(200);
  });
});
