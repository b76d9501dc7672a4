import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RolloutEntry } from '../api.ts';
import type { Note } from '../notes/note.ts';
import type { Notes } from '../notes/notes-file.ts';
import { filterRollouts, listGroups, type RolloutFilter } from './filter-rollouts.ts';

const entry = fc.record({
  id: fc.string({ minLength: 1, maxLength: 4 }),
  group: fc.constantFrom('g1', 'g2', undefined),
  mode: fc.constantFrom('train', 'val'),
  status: fc.constantFrom('succeeded', 'failed', 'running'),
  step: fc.option(fc.integer({ min: 0, max: 4 }), { nil: undefined }),
  task: fc.string({ maxLength: 6 }),
  taskKind: fc.constantFrom('even', undefined),
  reward: fc.option(fc.integer({ min: -2, max: 2 }), { nil: undefined }),
  failure: fc.constantFrom('E', undefined),
  seconds: fc.option(fc.nat(9), { nil: undefined }),
  prompts: fc.constantFrom('P', undefined),
  taskNumber: fc.constantFrom(0, 1, undefined),
  attempts: fc.constant(1),
  createdAtMs: fc.nat(),
});

const filter = fc.record({
  steps: fc.constantFrom(null, [1, 2] as const),
  mode: fc.constantFrom('', 'train'),
  status: fc.constantFrom('', 'failed'),
  failure: fc.constantFrom('', 'E'),
  kind: fc.constantFrom('', 'even'),
  group: fc.constantFrom('', 'g1'),
  least: fc.constantFrom(null, 0),
  most: fc.constantFrom(null, 1),
  note: fc.constantFrom('', 'any', 'good', 'none'),
  prompts: fc.constantFrom('', 'P'),
  task: fc.constantFrom(-1, 0),
  text: fc.constantFrom('', 'A'),
  order: fc.constantFrom('newest', 'oldest', 'lowest', 'highest', 'slowest'),
});

const note = fc.record({ mark: fc.constantFrom('good', 'bad', undefined), comment: fc.constantFrom('Ab', undefined) });

/** Says the same as the filter, one field after the other. */
function isWanted(one: RolloutEntry, wanted: RolloutFilter, notes: Notes): boolean {
  const own = notes.get(one.id);
  if (wanted.prompts === 'P' && one.prompts !== 'P') return false;
  if (wanted.task === 0 && one.taskNumber !== 0) return false;
  if (wanted.note === 'any' && own === undefined) return false;
  if (wanted.note === 'good' && own?.mark !== 'good') return false;
  if (wanted.note === 'none' && own !== undefined) return false;
  if (wanted.steps !== null && !(one.step !== undefined && one.step >= 1 && one.step <= 2)) return false;
  if (wanted.mode === 'train' && one.mode !== 'train') return false;
  if (wanted.status === 'failed' && one.status !== 'failed') return false;
  if (wanted.failure === 'E' && one.failure !== 'E') return false;
  if (wanted.kind === 'even' && one.taskKind !== 'even') return false;
  if (wanted.group === 'g1' && one.group !== 'g1') return false;
  if (wanted.least === 0 && !(one.reward! >= 0)) return false;
  if (wanted.most === 1 && !(one.reward! <= 1)) return false;
  return wanted.text === '' || /a/i.test(`${one.task}\n${one.id}\n${own?.comment ?? ''}`);
}

describe('filterRollouts', () => {
  it('keeps each rollout that every field wants, once, in the order that is asked for', () => {
    fc.assert(
      fc.property(fc.array(entry), filter, fc.array(note), (given, wanted, written) => {
        const entries = given as readonly RolloutEntry[];
        const notes = new Map(
          written.map((each, index) => [entries[index * 2]?.id ?? '', each as unknown as Note] as const),
        );
        const found = filterRollouts(entries, wanted, notes);
        const expected = entries.filter((one) => isWanted(one, wanted, notes));
        expect(new Set(found)).toEqual(new Set(expected));
        expect(found).toHaveLength(expected.length);
        if (wanted.order === 'newest') expect(found).toEqual(expected);
        if (wanted.order === 'oldest') expect(found).toEqual(expected.toReversed());
        const rewards = found.map(({ reward }) => reward);
        const known = rewards.filter((reward) => reward !== undefined);
        if (wanted.order === 'lowest') expect(known).toEqual(known.toSorted((a, b) => a - b));
        if (wanted.order === 'highest') expect(known).toEqual(known.toSorted((a, b) => b - a));
        if (wanted.order === 'lowest' || wanted.order === 'highest')
          expect(rewards.slice(0, known.length)).toEqual(known); // those without a reward come last
      }),
    );
  });
});

describe('listGroups', () => {
  const common = { mode: 'train', task: 'q', attempts: 1, createdAtMs: 0, step: 3, group: 'g' } as const;
  const earned = (id: string, reward: number): RolloutEntry => ({ ...common, id, status: 'succeeded', reward });
  const failed = (id: string, failureKind: 'unknown' | 'policy' | 'world'): RolloutEntry => ({
    ...common,
    id,
    status: 'failed',
    failure: 'E',
    failureKind,
  });
  const failureRewards = new Map([[3, -1]]);

  it('counts the rewards, the failed and the unfinished of each group', () => {
    const { group: _, ...alone } = earned('e', 1);
    const [group, ...others] = listGroups(
      [earned('a', 1), earned('b', 0), failed('c', 'world'), { ...common, id: 'd', status: 'running' }, alone],
      failureRewards,
    );
    expect(others).toEqual([]);
    expect(group).toEqual({
      id: 'g',
      step: 3,
      task: 'q',
      size: 4,
      failed: 1,
      unfinished: 1,
      rewards: [1, 0],
      mean: 0.5,
      deviation: 0.5,
    });
  });

  it.each([
    ['the failure reward of its step', [earned('a', 1), failed('b', 'unknown')], failureRewards, 0, 1],
    ['that of the policy, too', [earned('a', 1), failed('b', 'policy')], failureRewards, 0, 1],
    ['nothing where the world made it fail', [earned('a', 1), failed('b', 'world')], failureRewards, 1, 0],
    ['the same where all failed', [failed('a', 'policy'), failed('b', 'unknown')], failureRewards, -1, 0],
    ['0 where the step has no line of metrics', [earned('a', 1), failed('b', 'unknown')], new Map(), 0.5, 0.5],
    ['no more than the lowest reward there', [earned('a', -2), failed('b', 'unknown')], new Map(), -2, 0],
  ] as const)('counts a failed rollout with %s', (_, entries, rewards, mean, deviation) => {
    expect(listGroups(entries, rewards)).toMatchObject([{ mean, deviation }]);
  });
});
