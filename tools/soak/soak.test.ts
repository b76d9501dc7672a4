import { once } from 'node:events';
import { createServer } from 'node:net';
import fc from 'fast-check';
import { attributeNames, rewardAttributes, type Rollout, type Span } from '@agent-lightning/core';
import { describe, expect, it } from 'vitest';
import { checkRollout } from './check-rollout.ts';
import { fitLine, leastRise } from './fit-line.ts';
import { countDescriptors, findLeaks, type Reading } from './process-meter.ts';
import type { Witness } from './soak-agent.ts';
import { createSoakTask, soakKinds, type SoakTask } from './soak-tasks.ts';

describe('fitLine', () => {
  it('fits by hand: (0, 1), (1, 3), (2, 2) rise by 0.5, with an error of √(1.5 / 2)', () => {
    const { slope, slopeError } = fitLine([
      [0, 1],
      [1, 3],
      [2, 2],
    ]);
    expect(slope).toBeCloseTo(0.5, 12);
    expect(slopeError).toBeCloseTo(Math.sqrt(0.75), 12);
  });

  it('has no other line with smaller squares', () => {
    const points = fc.array(fc.tuple(fc.integer({ min: 0, max: 100 }), fc.integer({ min: -100, max: 100 })), {
      minLength: 3,
      maxLength: 20,
    });
    const change = fc.double({ min: -1, max: 1, noNaN: true });
    fc.assert(
      fc.property(points, change, (given, by) => {
        const { slope } = fitLine(given);
        expect(squaresAround(given, slope)).toBeLessThanOrEqual(squaresAround(given, slope + by) + 1e-6);
      }),
    );
  });
});

/** Returns the sum of squares around the best line with this slope. */
function squaresAround(points: readonly (readonly [number, number])[], slope: number): number {
  const rests = points.map(([x, y]) => y - slope * x);
  const mean = rests.reduce((sum, rest) => sum + rest, 0) / rests.length;
  return rests.reduce((sum, rest) => sum + (rest - mean) ** 2, 0);
}

describe('findLeaks', () => {
  const limits = { rssMiB: 64, heldMiB: 16, files: 8, sockets: 300 };
  const readings = (change: (index: number) => Partial<Reading>): readonly Reading[] =>
    Array.from({ length: 60 }, (_, index) => ({
      seconds: index * 2,
      rssMiB: 300 + (index % 2 === 0 ? 20 : -20),
      heldMiB: 100 + (index % 3),
      sockets: 200 + (index % 7),
      files: 30 + (index % 3),
      loopDelayMs: 20,
      ...change(index),
    }));

  it('takes noise for what it is, and leaves out the warm-up', () => {
    expect(
      findLeaks(
        readings(() => ({})),
        limits,
      ),
    ).toEqual([]);
    expect(
      findLeaks(
        readings((index) => (index < 20 ? { rssMiB: index, heldMiB: index } : {})),
        limits,
      ),
    ).toEqual([]);
  });

  it('names what rises', () => {
    expect(
      leastRise(readings((index) => ({ heldMiB: index })).map((each) => [each.seconds, each.heldMiB])),
    ).toBeCloseTo(59);
    expect(
      findLeaks(
        readings((index) => ({ heldMiB: 100 + index })),
        limits,
      ),
    ).toEqual([expect.stringMatching(/^heldMiB rose by at least 39\.0/)]);
    expect(
      findLeaks(
        readings((index) => ({ files: 30 + index })),
        limits,
      ),
    ).toEqual([expect.stringMatching(/^files rose/)]);
    expect(
      findLeaks(
        readings((index) => ({ sockets: index === 5 ? 301 : 200 })),
        limits,
      ),
    ).toEqual(['301 sockets were open at once, of at most 300']);
    expect(
      findLeaks(
        readings((index) => ({ rssMiB: 300 + 5 * index })),
        limits,
      ),
    ).toEqual([expect.stringMatching(/^rssMiB rose/)]);
  });

  it('does not judge by too few readings', () => {
    expect(findLeaks(readings(() => ({})).slice(0, 3), limits)).toEqual([expect.stringContaining('too few')]);
  });
});

describe('checkRollout', () => {
  const task: SoakTask = { mark: '<mark-1>', kind: 'plain', calls: 1 };
  const rollout = (status: Rollout['status']): Rollout => ({ rolloutId: 'r1', status, input: task }) as never;
  const call = (text: string): Span =>
    ({ kind: 'model_call', spanId: '1', attributes: { input: text }, tokens: {} }) as unknown as Span;
  const reward = (value: number): Span =>
    ({ kind: 'reward', spanId: '2', attributes: rewardAttributes(value) }) as unknown as Span;
  const witness: Witness = { answered: 1, callMs: [1], strange: [], reward: 0.25 };

  it('finds nothing wrong with a rollout that has what its agent saw', () => {
    expect(checkRollout(rollout('succeeded'), [call('plain <mark-1>'), reward(0.25)], witness)).toEqual([]);
  });

  it.each<[string, Rollout['status'], readonly Span[], Partial<Witness>, RegExp]>([
    ['another end', 'failed', [call('<mark-1>')], {}, /is failed/],
    ['a lost span', 'succeeded', [reward(0.25)], {}, /has 0 whole calls, and its agent read 1 answers/],
    ['a span of another', 'succeeded', [call('<mark-12>'), reward(0.25)], {}, /has a span of <mark-12>/],
    ["another's answer", 'succeeded', [call('<mark-1>'), reward(0.25)], { strange: ['x'] }, /got another's answer: x/],
    ['another reward', 'succeeded', [call('<mark-1>'), reward(1)], {}, /has the rewards \[1\] instead of \[0\.25\]/],
    ['a lost reward', 'succeeded', [call('<mark-1>')], {}, /has the rewards \[\] instead of \[0\.25\]/],
    [
      'a call that did not end',
      'succeeded',
      [{ ...call('<mark-1>'), attributes: { [attributeNames.untrainable]: 'cut' } }, reward(0.25)],
      {},
      /has 0 whole calls/,
    ],
  ])('names %s', (_, status, spans, seen, problem) => {
    expect(checkRollout(rollout(status), spans, { ...witness, ...seen })).toEqual([expect.stringMatching(problem)]);
  });
});

it('makes the same task for the same number, and every kind', () => {
  const tasks = Array.from({ length: 500 }, (_, number) => createSoakTask(7, number));
  expect(createSoakTask(7, 499)).toEqual(tasks[499]);
  expect(new Set(tasks.map(({ kind }) => kind))).toEqual(new Set(soakKinds));
  expect(new Set(tasks.map(({ mark }) => mark)).size).toBe(500);
});

it.skipIf(process.platform !== 'linux')('counts sockets apart from all other descriptors', async () => {
  const before = countDescriptors();
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  expect(countDescriptors()).toEqual({ sockets: before.sockets! + 1, files: before.files });
  server.close();
});
