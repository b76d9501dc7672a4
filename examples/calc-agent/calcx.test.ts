import { execFile } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { haveSameResult, openCalcx, readResult } from './calcx.ts';

let directory: string;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'calcx-'));
  const written = '../../packages/run/test/tasks/parquet/calcx.parquet'; // by make_parquet.py
  copyFileSync(join(import.meta.dirname, written), join(directory, 'train.parquet'));
  const problem = { id: 'gsm8k__9', question: '2 + 2?', chain: '', result: '4', source: 'calc' };
  writeFileSync(join(directory, 'test.jsonl'), `${JSON.stringify(problem)}\n`);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('the Calc-X data set', () => {
  it('is read from its published columns', async () => {
    const { train, validation } = await openCalcx(directory, 0);
    expect(train).toEqual([
      { kind: 'ape210k', question: '6.6 minus x (3/2) times equals 5.6.', answer: '2/3' },
      { kind: 'gsm8k', question: 'How many are 1000 and 250?', answer: '1_250' },
      { kind: 'aqua_rat', question: 'Which is 4? (A) 2 + 2 (B) 2 + 3', answer: 'A' },
    ]);
    expect(validation).toEqual([{ kind: 'gsm8k', question: '2 + 2?', answer: '4' }]);
  });

  it('earns 1 for each of its own results, however the agent leads up to them', async () => {
    const { train, reward } = await openCalcx(directory, 0);
    for (const problem of train) {
      expect(reward(problem, `Answer: ${problem.answer}`)).toBe(1);
      expect(reward(problem, `I calculate.\nAnswer: 77\nNo:\nAnswer:  ${problem.answer} \n`)).toBe(1);
      expect(reward(problem, 'Answer: 77')).toBe(0);
      expect(reward(problem, '')).toBe(0);
    }
  });

  it('says what is missing', async () => {
    await expect(openCalcx(tmpdir(), 0)).rejects.toThrow(/has none of test\.parquet, test\.jsonl/);
  });

  it('shows real answers and rewards in a dry run', async () => {
    const program = ['--conditions=@agent-lightning/source', join(import.meta.dirname, 'main.ts')];
    const args = ['--calcx', directory, '--dry-run', '--json'];
    const stdout = await new Promise<string>((resolve) => {
      execFile(process.execPath, [...program, ...args], (_error, output) => resolve(output));
    });
    expect(stdout).toContain("the data set's own answers: 1 of 1 earn 1");
    expect(stdout.match(/2 \+ 2\?\n {2}said: ".*"\n {2}right: 4 · reward [01]\n/g)).toHaveLength(4);
    expect(JSON.parse(stdout.trim().split('\n').at(-1)!)).toMatchObject({ rollouts: 4, succeeded: 4 });
  });
});

describe('haveSameResult', () => {
  it.each([
    ['12', '12', true],
    ['12.0', '12', true],
    ['12.1', '12', true], // within 1 %
    ['12.2', '12', false],
    ['-12', '12', false],
    ['0', '0.001', false], // no tolerance around 0
    ['0.0', '0', true],
    ['0.67', '2/3', true],
    ['2/3 = around 0.666667', '2/3', true],
    ['(3 - 1) / 3', '2/3', true],
    ['1250', '1_250', true],
    ['1.25e3', '1_250', true],
    ['1,250', '1_250', false], // a tuple in SymPy
    ['12 apples', '12', false],
    ['(A)', 'A', true],
    ['a', 'A', false],
    ['B', ' A) ', false],
    ['', '12', false],
    ['1/0', '12', false],
    ['yes', 'yes', true],
  ])('of %j and %j is %s', (predicted, expected, same) => {
    expect(haveSameResult(predicted, expected)).toBe(same);
  });

  it('takes numbers for the same that differ by at most 1 % of the larger one', () => {
    const number = fc.double({ min: 1e-3, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(number, fc.double({ min: 0.9, max: 1.1, noNaN: true }), (value, factor) => {
        const other = value * factor;
        fc.pre(Math.abs(Math.min(factor, 1 / factor) - 0.99) > 1e-9);
        const isNear = Math.min(value, other) / Math.max(value, other) > 0.99;
        expect(haveSameResult(String(other), String(value))).toBe(isNear);
        expect(haveSameResult(String(value), String(other))).toBe(isNear);
        expect(haveSameResult(String(-other), String(value))).toBe(false);
      }),
    );
  });

  it('finds the result in a reply', () => {
    expect(readResult('First.\nAnswer: 4\nAnswer: 5\n')).toBe('5');
    expect(readResult('The Answer: 4')).toBe('The Answer: 4');
    expect(readResult(' 4 ')).toBe('4');
  });
});
