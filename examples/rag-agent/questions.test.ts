import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { documentsOf } from './library.ts';
import { madeUpName, sideOf } from './names.ts';
import { kinds, library, trainingQuestions, validationQuestions, type Question } from './questions.ts';
import { createRandom } from '@agent-lightning/example-kit';

const [train, heldOut] = [trainingQuestions(0), validationQuestions(0, 400)];
const namesIn = ({ gold, hops }: Question): readonly string[] => [
  gold,
  ...hops.flatMap(({ title, found, other }) => [title, found, other]),
];

describe('the questions', () => {
  it('are hundreds, of every kind, none twice', () => {
    expect(train.length).toBeGreaterThan(900);
    expect(new Set(train.map(({ kind }) => kind))).toEqual(new Set(kinds));
    expect(new Set(train.map(({ question }) => question)).size).toBe(train.length);
  });

  it('take two paragraphs: the question names the first, the first the second, the second the answer', () => {
    const documents = [...documentsOf(library.train), ...documentsOf(library.heldOut)];
    const textOf = (name: string): string => documents.find(({ title }) => title === name)!.text;
    for (const { question, gold, hops } of [...train, ...heldOut]) {
      const [first, second] = hops;
      expect(question).toContain(first.title);
      expect(question).not.toContain(second.title);
      expect(textOf(first.title)).toContain(second.title);
      expect(textOf(first.title)).not.toContain(gold);
      expect(textOf(second.title)).toContain(gold);
    }
  });
});

describe('the split', () => {
  it('shares no name of a work, a person or a town, whatever the seeds', () => {
    fc.assert(
      fc.property(fc.nat(), fc.nat(), (seed, validationSeed) => {
        const known = new Set(trainingQuestions(seed, 800).flatMap(namesIn));
        const unknown = validationQuestions(validationSeed, 160).flatMap(namesIn);
        expect(unknown.filter((name) => known.has(name))).toEqual([]);
      }),
      { numRuns: 5 },
    );
  });

  it('makes up no held-out name', () => {
    const random = createRandom(3);
    const names = Array.from({ length: 5000 }, () => madeUpName(random));
    expect(names.filter((name) => sideOf(name) !== 'train')).toEqual([]);
    expect(new Set(heldOut.flatMap(namesIn).map(sideOf))).toEqual(new Set(['held out']));
  });

  it('gives the same questions for the same seed, as many of each kind', () => {
    expect(validationQuestions(3, 160)).toEqual(validationQuestions(3, 160));
    expect(validationQuestions(4, 160)).not.toEqual(validationQuestions(3, 160));
    for (const kind of kinds) {
      expect(validationQuestions(3, 160).filter((question) => question.kind === kind)).toHaveLength(20);
    }
    expect(() => validationQuestions(0, 100_000)).toThrow(/100000 held-out questions/);
  });
});
