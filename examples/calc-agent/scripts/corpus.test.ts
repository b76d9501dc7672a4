import { seededRandom } from '@agent-lightning/core';
import { loadCheckpoint } from '@agent-lightning/embedded';
import { pick } from '@agent-lightning/example-kit';
import { describe, expect, it } from 'vitest';

import { calculate } from '../calculator.ts';
import { kinds } from '../problem-kinds.ts';
import { trainingProblems } from '../problems.ts';
import { strongHabits } from './bad-habits.ts';
import { createExample, toolCallText, type Example } from './corpus.ts';

const problems = trainingProblems(0);

function examples(count: number): readonly Example[] {
  const random = seededRandom(7);
  return Array.from({ length: count }, () => createExample(pick(problems, random), random));
}

const corpus = examples(12_000);
const isRight = ({ role, problem, prompt, response }: Example): boolean =>
  role === 'answer'
    ? response === `Answer: ${String(prompt.at(-1)?.content)}`
    : response === toolCallText(problem.expression);
const share = (of: readonly Example[], holds: (example: Example) => boolean): number =>
  of.filter(holds).length / of.length;
const ofRole = (role: Example['role'], kind?: string) =>
  corpus.filter((example) => example.role === role && (kind === undefined || example.problem.kind === kind));

describe('the corpus', () => {
  it('is the same for the same seed', () => {
    expect(examples(50)).toEqual(corpus.slice(0, 50));
  });

  it('has one strong habit for six kinds in eight, and none for the others', () => {
    const { guesses, 'takes another operation': operation, 'forgets the form': form } = strongHabits;
    expect(new Set([...guesses, ...operation, ...form]).size).toBe(6);
    for (const kind of kinds) {
      const calls = share(ofRole('first', kind), isRight);
      const answers = share(ofRole('answer', kind), isRight);
      if ([...guesses, ...operation].includes(kind as never)) expect(calls, kind).toBeLessThan(0.2);
      else expect(calls, kind).toBeGreaterThan(0.5);
      if (form.includes(kind as never)) expect(answers, kind).toBeLessThan(0.25);
      else expect(answers, kind).toBeGreaterThan(0.85);
    }
  });

  it('can be right about every kind', () => {
    for (const kind of kinds)
      for (const role of ['first', 'again', 'answer'] as const)
        expect(ofRole(role, kind).some(isRight), `${role} of ${kind}`).toBe(true);
  });

  it('does better after the calculator complained', () => {
    const understood = (example: Example): boolean => {
      try {
        const { arguments: said } = JSON.parse(example.response.replace(/<\/?tool_call>/g, '')) as {
          arguments: { expression: string };
        };
        return Number.isFinite(calculate(said.expression));
      } catch {
        return false;
      }
    };
    const calls = ofRole('first').filter(({ response }) => response.startsWith('<tool_call>'));
    expect(share(calls, understood)).toBeGreaterThan(0.75);
    expect(share(calls, understood)).toBeLessThan(0.85);
    expect(share(ofRole('again'), understood)).toBeGreaterThan(0.9);
  });
});

describe('the tokenizer of the starting model', () => {
  it('has the same tokens for a number wherever it stands, and only one', async () => {
    const { tokenizer } = await loadCheckpoint(`${import.meta.dirname}/../model`);
    const encode = (text: string): string => `,${tokenizer.encode(text, false).join(',')},`;
    const numbers = Array.from({ length: 98 }, (_, i) => String(i + 2));
    for (const number of numbers)
      for (const place of [`has ${number} pens`, `"(${number} + 4"`, `Answer: ${number}`])
        expect(encode(place)).toContain(encode(number));
    expect(numbers.filter((number) => tokenizer.encode(number, false).length > 1)).toEqual([]);
  });
});
