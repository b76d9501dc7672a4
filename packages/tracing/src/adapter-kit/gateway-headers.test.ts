import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shortenName } from '../writing/shorten-name.ts';
import { decodeAgentNames, encodeAgentNames } from './gateway-headers.ts';

const path = (agents: number, name: string): string => Array.from({ length: agents }, () => name).join('/');

describe('the header with the caller’s names', () => {
  it.each([
    ['seven subgraphs', ['node', path(7, 'a subgraph with thirty-four letters')]],
    ['nine nested agents', ['inner', path(9, 'an agent with a rather long name')]],
    ['a name of 1,000 characters', ['x'.repeat(1_000), 'writer']],
    ['letters that are not ASCII', ['作家', 'Prüfer', '\ud800']],
  ])('brings them whole: %s', (_what, names) => {
    expect(decodeAgentNames(encodeAgentNames(names))).toEqual(names);
  });

  it('keeps to its limits, its order and the ends of every name, whatever the names are', () => {
    const name = fc.oneof(
      fc.string({ maxLength: 30 }),
      fc.string({ minLength: 900, maxLength: 1_200, unit: 'grapheme' }),
    );
    fc.assert(
      fc.property(fc.array(name, { minLength: 1, maxLength: 40 }), (names) => {
        const header = encodeAgentNames(names);
        const read = decodeAgentNames(header)!;
        expect(header.length).toBeLessThanOrEqual(6_000);
        expect(read.length).toBeGreaterThan(0);
        for (const [index, text] of read.entries()) {
          expect(text.slice(0, 20)).toBe(names[index]!.slice(0, 20));
          expect(text.slice(-20)).toBe(names[index]!.slice(-20));
        }
      }),
      { numRuns: 25 },
    );
  });

  it('is no list of names: a label that nobody can read', () => {
    for (const header of ['%', 'x', '7', encodeURIComponent('[1]'), encodeURIComponent('{}'), ''])
      expect(decodeAgentNames(header)).toBeUndefined();
  });

  it('is shortened by who reads it, too', () => {
    const [read, ...others] = decodeAgentNames(encodeURIComponent(JSON.stringify(Array(40).fill('n'.repeat(5_000)))))!;
    expect([read!.length, others.length]).toEqual([1_000, 31]);
  });
});

describe('a shortened name', () => {
  it('has the limit’s length, both ends, and tells names apart that differ in the middle', () => {
    const [one, other] = [`${path(99, 'sub')}/a/${path(99, 'node')}`, `${path(99, 'sub')}/b/${path(99, 'node')}`];
    const short = shortenName(one, 200);
    expect(short).toHaveLength(200);
    expect(short).toMatch(/^sub\/sub\/.*…[0-9a-f]{12}….*\/node$/);
    expect(shortenName(other, 200)).not.toBe(short);
    expect(shortenName(short, 200)).toBe(short);
  });

  it('is well-formed wherever it is cut', () => {
    for (const length of [99, 100, 101]) {
      const short = shortenName(`${'x'.repeat(length)}${'😀'.repeat(200)}`, 200);
      expect([short.length, short.isWellFormed()]).toEqual([200, true]);
    }
  });
});
