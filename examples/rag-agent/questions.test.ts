import { seededRandom } from '@agent-lightning/core';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { documentsOf } from './library.ts';
import { madeUpName, sideOf } from './names.ts';
import { kinds, library, trainingQuestions, validationQuestions, type Question } from './questions.ts';

const [train, heldOut] = [trainingQuestions(0), validationQuestions(0, 400)];
const namesIn = ({ gold, hops }: Question): readonly string[] => [
  gold,
  ...hops.flatMap(({ title, found }) => [title, found]),
];

describe('the questions', () => {
  it('are hundreds, of every kind, none twice', () => {
    expect(train.length).toBeGreaterThan(800);
    expect(new Set(train.map(({ kind }) => kind))).toEqual(new Set(kinds));
    expect(new Set(train.map(({ question }) => question)).size).toBe(train.length);
  });

  it('take two facts: the question names what the first is of, the first what the second is of, the second the answer', () => {
    const facts = new Set([...documentsOf(library.train), ...documentsOf(library.heldOut)].map(({ text }) => text));
    for (const { question, gold, hops } of [...train, ...heldOut]) {
      const [first, second] = hops;
      for (const { word, title, found } of hops) expect(facts).toContain(`The ${word} of ${title} is ${found}.`);
      expect(question).toContain(first.title);
      expect(question).not.toContain(second.title);
      expect(question).not.toContain(gold);
      expect([first.found, second.found]).toEqual([second.title, gold]);
    }
  });

  it('have a wrong word for each fact, which the library knows too', () => {
    const texts = [...documentsOf(library.train), ...documentsOf(library.heldOut)].map(({ text }) => text);
    for (const { word, otherWord, title } of heldOut.flatMap(({ hops }) => hops)) {
      expect(otherWord).not.toBe(word);
      expect(texts.some((text) => text.startsWith(`The ${otherWord} of ${title} is `))).toBe(true);
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
    const random = seededRandom(3);
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
