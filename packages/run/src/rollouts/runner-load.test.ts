import type { RolloutContext } from '@agent-lightning/runner';
import { describe, expect, it } from 'vitest';
import { RunnerLoad } from './runner-load.ts';

describe('RunnerLoad', () => {
  const context = {} as RolloutContext;

  it('says which share of the places ran nothing, since it began to count', async () => {
    let now = 0;
    const load = new RunnerLoad(2, () => now);
    const ends = [Promise.withResolvers<number>(), Promise.withResolvers<number>()];
    const run = load.count<number>((index) => ends[index]!.promise);
    const first = run(0, context);
    now = 10; // one of two places ran for 10 ms
    const second = run(1, context);
    now = 20; // both ran for 10 ms
    ends[0]!.resolve(1);
    expect(await first).toBe(1);
    now = 40; // one ran for 20 ms
    expect(load.idleShare()).toBeCloseTo(1 - (10 + 20 + 20) / 80, 12);
    load.begin();
    now = 50;
    expect(load.idleShare()).toBeCloseTo(0.5, 12);
    ends[1]!.reject(new TypeError('broken'));
    await expect(second).rejects.toThrow('broken');
    load.begin();
    now = 60;
    expect(load.idleShare()).toBe(1);
    load.begin();
    expect(load.idleShare()).toBe(0); // no time has passed
  });

  it('never says that more places ran than there are', async () => {
    let now = 0;
    const load = new RunnerLoad(1, () => now);
    const run = load.count<number>(() => new Promise<number>(() => undefined));
    void run(0, context);
    void run(1, context); // the first one was left behind
    now = 10;
    expect(load.idleShare()).toBe(0);
  });
});
