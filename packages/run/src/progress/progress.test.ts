import { describe, expect, it } from 'vitest';
import type { StepMetrics } from '../metrics.ts';
import { createConsoleLogger, type Clock } from '@agent-lightning/platform';
import { describeStep, Progress, type ProgressMode } from './progress.ts';

const metrics = {
  step: 2,
  reward: { mean: 0.5, deviation: 0.25, count: 8, byKind: {} },
  failed: 1,
  truncatedShare: 0,
  turnLimited: 0,
  seconds: { rollout: 1, convert: 0, train: 0.5, publish: 0, validate: 0, checkpoint: 0 },
} as unknown as StepMetrics;

function createProgress(
  mode: ProgressMode,
  runsElsewhere = false,
): {
  readonly progress: Progress;
  readonly written: string[];
  /** Sets the clock forward, and lets what waits until then go on. */
  tick(ms: number): Promise<void>;
} {
  const written: string[] = [];
  let now = 0;
  const waits = new Set<() => void>();
  const clock: Clock = {
    now: () => now,
    wait: (ms, signal) =>
      new Promise((resolve) => {
        const untilMs = now + ms;
        const look = (): void => {
          if (now < untilMs && !signal.aborted) return;
          waits.delete(look);
          resolve();
        };
        waits.add(look);
        signal.addEventListener('abort', look);
      }),
  };
  const stream = { columns: 80, write: (text: string) => void written.push(text) };
  const progress = new Progress({ mode, logger: createConsoleLogger(stream), steps: 4, stream, clock, runsElsewhere });
  return {
    progress,
    written,
    tick: async (ms) => {
      await settle();
      now += ms;
      for (const look of waits) look();
      await settle();
    },
  };
}

/** Lets promises that are resolved go on. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe('Progress', () => {
  it('redraws one line on a terminal, and not too often', async () => {
    const { progress, written, tick } = createProgress('live');
    progress.begin(1, 'rollout', 8);
    for (let count = 0; count < 5; count++) progress.rolloutEnded('r');
    expect(written).toEqual(['\r\u001B[2Kstep 1/4 [###-------] · rollout 0/8 · 0:00']);
    await tick(29_000);
    progress.begin(1, 'rollout', 8);
    for (let count = 0; count < 5; count++) progress.rolloutEnded('r');
    await tick(29_000);
    progress.rolloutEnded('r');
    expect(written.at(-1)).toBe('\r\u001B[2Kstep 1/4 [###-------] · rollout 6/8 · 0:58');
    progress.stepEnded(metrics, ['groups 3 of 4', 'entropy 0.50']);
    progress.validated(2, {
      reward: 0.75,
      interval: [0.5, 0.9],
      rollouts: 4,
      failed: 0,
      leftOut: 0,
      byKind: {},
      complete: true,
    });
    progress.begin(3, 'train');
    expect(written.at(-1)).toContain('reward 0.50 · validation 0.75 ± 0.20');
  });

  it('clears the line before it logs, and never draws beyond the edge', () => {
    const { progress, written } = createProgress('live');
    progress.begin(1, 'x'.repeat(200));
    expect(written[0]!.length).toBeLessThan(80 + 10);
    progress.logger.warn('careful');
    expect(written.slice(1)).toEqual(['\r\u001B[2K', 'warning: careful\n']);
    progress.end();
    expect(written).toHaveLength(3);
  });

  it('writes a line for each step elsewhere', () => {
    const { progress, written } = createProgress('plain');
    progress.begin(2, 'rollout', 8);
    progress.rolloutEnded('r');
    progress.stepEnded(metrics, ['groups 3 of 4', 'entropy 0.50']);
    expect(written).toEqual([
      'step 2/4 · reward 0.500 ± 0.250 · failed 1 · groups 3 of 4 · entropy 0.50 · 1.5 s (rollout 1.0, train 0.5)\n',
    ]);
  });

  it('says what is waited for after 30 s without news, less and less often, until there are news', async () => {
    const { progress, written, tick } = createProgress('plain');
    progress.begin(2, 'rollout', 3);
    progress.rolloutStarted('run.s2.g0.k0');
    await tick(20_000);
    progress.rolloutStarted('run.s2.g0.k1');
    progress.rolloutStarted('run.s2.g0.k2');
    progress.rolloutEnded('run.s2.g0.k2');
    await tick(29_999);
    expect(written).toEqual([]);
    await tick(1);
    await tick(29_999);
    expect(written).toEqual([
      'no news for 30 s; waiting for: step 2, rollout, 1 of 3 rollouts done; 2 run in this process, the longest, run.s2.g0.k0, for 50 s\n',
    ]);
    await tick(1);
    expect(written).toHaveLength(2);
    progress.rolloutEnded('run.s2.g0.k0');
    progress.rolloutEnded('run.s2.g0.k1');
    await tick(30_000);
    expect(written.at(-1)).toBe('no news for 30 s; waiting for: step 2, rollout, 3 of 3 rollouts done\n');
    progress.begin(2, 'train');
    await tick(30_000);
    expect(written.at(-1)).toBe('no news for 30 s; waiting for: step 2, train\n');
    const call = { rolloutId: 'run.s2.g0.k1', agent: undefined, forMs: 1_000 };
    progress.watchCalls(() => [call, { ...call, agent: 'writer', forMs: 41_400 }]);
    await tick(30_000);
    expect(written.at(-1)).toBe(
      'no news for 60 s; waiting for: step 2, train; 2 model calls are open, the longest, of agent writer in run.s2.g0.k1, for 41 s\n',
    );
    progress.watchCalls(() => []);
    progress.begin(3, 'rollout', 4);
    await tick(30_000);
    expect(written.at(-1)).toMatch(
      /0 of 4 rollouts done; none runs in this process: a model is still being loaded, or runners elsewhere take them\n$/,
    );
    progress.end();
    const before = written.length;
    await tick(600_000);
    expect(written).toHaveLength(before);
  });

  it('asks for runners elsewhere where this process has none', async () => {
    const { progress, written, tick } = createProgress('plain', true);
    progress.begin(1, 'rollout');
    await tick(30_000);
    expect(written.at(-1)).toMatch(
      /step 1, rollout; none runs in this process, which has no runners: is one up elsewhere, that claims from this store\?\n$/,
    );
    progress.begin(1, 'train');
    await tick(30_000);
    expect(written.at(-1)).toBe('no news for 30 s; waiting for: step 1, train\n');
    progress.end();
  });

  it('takes what a terminal would obey out of the live line', () => {
    const { progress, written } = createProgress('live');
    progress.begin(1, 'a\u001B[2Jb\u0007');
    expect(written).toEqual(['\r\u001B[2Kstep 1/4 [###-------] · ab\\x07 · 0:00']);
  });

  it('says nothing when it is off', () => {
    const { progress, written } = createProgress('none');
    progress.begin(1, 'rollout', 8);
    progress.stepEnded(metrics, ['groups 3 of 4', 'entropy 0.50']);
    progress.validated(1, {
      reward: 1,
      interval: [0, 1],
      rollouts: 1,
      failed: 0,
      leftOut: 0,
      byKind: {},
      complete: true,
    });
    progress.end();
    expect(written).toEqual([]);
  });

  it('says so when a step had no reward', () => {
    expect(describeStep({ ...metrics, truncatedShare: 0.125, turnLimited: 2 }, [], 4)).toContain(
      ' · failed 1 · cut 13 % · at the turn limit 2 · ',
    );
    expect(
      describeStep({ ...metrics, reward: { mean: undefined, deviation: undefined, count: 0, byKind: {} } }, [], 4),
    ).toContain('reward none');
  });
});
