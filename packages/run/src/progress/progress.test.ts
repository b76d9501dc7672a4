import { describe, expect, it } from 'vitest';
import type { StepMetrics } from '../metrics.ts';
import { createConsoleLogger } from '@agent-lightning/platform';
import { describeStep, Progress, type ProgressMode } from './progress.ts';

const metrics = {
  step: 2,
  reward: { mean: 0.5, deviation: 0.25, count: 8, byKind: {} },
  failed: 1,
  truncatedShare: 0,
  turnLimited: 0,
  seconds: { rollout: 1, convert: 0, train: 0.5, publish: 0, validate: 0, checkpoint: 0 },
} as unknown as StepMetrics;

function createProgress(mode: ProgressMode): {
  readonly progress: Progress;
  readonly written: string[];
  tick(ms: number): void;
} {
  const written: string[] = [];
  let now = 0;
  const stream = { columns: 80, write: (text: string) => void written.push(text) };
  const progress = new Progress({ mode, logger: createConsoleLogger(stream), steps: 4, stream, now: () => now });
  return {
    progress,
    written,
    tick: (ms) => {
      now += ms;
    },
  };
}

describe('Progress', () => {
  it('redraws one line on a terminal, and not too often', () => {
    const { progress, written, tick } = createProgress('live');
    progress.begin(1, 'rollout', 8);
    for (let count = 0; count < 5; count++) progress.rolloutEnded();
    expect(written).toEqual(['\r\u001B[2Kstep 1/4 [###-------] · rollout 0/8 · 0:00']);
    tick(65_000);
    progress.rolloutEnded();
    expect(written.at(-1)).toBe('\r\u001B[2Kstep 1/4 [###-------] · rollout 6/8 · 1:05');
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
    progress.rolloutEnded();
    progress.stepEnded(metrics, ['groups 3 of 4', 'entropy 0.50']);
    expect(written).toEqual([
      'step 2/4 · reward 0.500 ± 0.250 · failed 1 · groups 3 of 4 · entropy 0.50 · 1.5 s (rollout 1.0, train 0.5)\n',
    ]);
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
