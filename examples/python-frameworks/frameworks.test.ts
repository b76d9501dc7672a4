import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

import { environmentOf } from './environments.ts';
import { frameworks, type Answer } from './frameworks.ts';
import { judge, toOutcome } from './outcome.ts';
import { factQuestions, topics, weatherQuestions } from './tasks.ts';

const reward = (framework: string, subject: string, answer: Answer): number =>
  frameworks[framework]!.reward({ subject, question: '' }, answer);

describe('the frameworks', () => {
  it.each(Object.entries(frameworks))(
    '%s has a script with the models’ names that are answered, and pinned packages',
    (name, framework) => {
      const script = readFileSync(join(import.meta.dirname, 'agents', framework.script), 'utf8');
      for (const model of framework.answersTo) if (typeof model === 'string') expect(script).toContain(`${model}"`);
      expect(script).not.toMatch(/lightning|reward/i); // it knows nothing of training
      const pins = readFileSync(environmentOf(name).requirements, 'utf8').trim().split('\n');
      for (const pin of pins) expect(pin).toMatch(/^[\w[\]-]+==[\d.]+$/);
      expect(framework.questions.length).toBeGreaterThan(30);
    },
  );

  it('ask each question once', () => {
    for (const questions of [factQuestions, topics, weatherQuestions])
      expect(new Set(questions.map(({ question }) => question)).size).toBe(questions.length);
  });
});

describe('the rewards', () => {
  const weather = 'The weather in Rome is 73 degrees and Sunny.';
  const forecast = 'The weather in Rome is rainy with a high of 17°C.';
  const fact = 'Sharks are older than trees.';

  it.each<[framework: string, answer: string, told: readonly string[], reward: number]>([
    ['openai-agents', fact, [fact], 1],
    ['openai-agents', fact, [], 0], // by heart
    ['openai-agents', `A fun fact: ${fact}`, [fact], 0],
    ['autogen', 'It is 73 degrees in Rome, and it is sunny.', [weather], 1],
    ['autogen', weather, [weather], 0],
    ['autogen', 'It is 73 degrees in Rome, with sunshine.', [weather], 0],
    ['autogen', 'It is sunny in Rome.', [weather], 0],
    ['autogen', 'It is 73 degrees and sunny in Rome.', [], 0],
    ['autogen', 'It is 73 degrees and sunny in Rome.', [weather.replace('Rome', 'Bonn')], 0],
    ['autogen', 'It is 73 degrees and sunny.', [weather], 0],
    ['agent-framework', 'It is rainy in Rome, with 17°C.', [forecast], 1],
    ['agent-framework', 'It is rainy in Rome with 17°C.', [forecast], 0],
    ['agent-framework', 'It is rainy in Rome, with 18°C.', [forecast], 0],
    ['agent-framework', 'With 17°C it is rainy in Rome, as told.', [forecast], 0],
    ['agent-framework', 'It is rainy in Rome, with 17°C.', [forecast.replace('Rome', 'Bonn')], 0],
    ['agent-framework', forecast, [forecast], 0],
    ['agent-framework', 'Rome: undefined', ['no such city'], 0],
    ['crewai', 'Eight words, of which one is Rome: done', ['The Rome of old was not built in a day.'], 1],
    ['crewai', 'Nine words, and one of them is Rome: too many', [' rome was not built in a day.'], 0.5],
    ['crewai', 'All Roads Lead to Rome', ['I will tell you of Rome.'], 0.5],
    ['crewai', 'You can return the headline.', ['I will tell you of Rome.'], 0],
    ['crewai', 'You can return the headline.', [], 0],
  ])('%s: "%s" after %j earns %d', (framework, answer, told, expected) => {
    expect(reward(framework, 'Rome', { answer, told })).toBe(expected);
  });
});

describe('the outcome of a framework', () => {
  const result = (before: number, after: number, interval: readonly [number, number]) => ({
    curve: [
      { step: 0, validation: 0.1 },
      { step: 1, reward: 0.2 },
      { step: 2, validation: 0.51234 },
    ],
    wallSeconds: 61.4,
    verdict: {
      answer: interval[0] > 0 ? ('better' as const) : ('cannot-tell' as const),
      gain: after - before,
      interval,
      detectable: 0.1,
      tasks: 20,
      baseline: { reward: before, rollouts: 40, failed: 0 },
      candidate: { reward: after, rollouts: 40, failed: 0 },
    },
  });
  const outcome = (...given: Parameters<typeof toOutcome>) => toOutcome(...given);

  it('rises with the whole interval of its gain, and its control does not', () => {
    const shuffled = result(0.1, 0.12, [-0.1, 0.2]);
    const { figures, isRising, isControlFlat } = outcome({ none: result(0.1, 0.5, [0.2, 0.6]), shuffled } as never);
    expect([isRising, isControlFlat]).toEqual([true, true]);
    expect(figures).toMatchObject({ before: 0.1, after: 0.5, gain: 0.4, interval: [0.2, 0.6], seconds: 61 });
    expect(figures.curve).toEqual([
      [0, 0.1],
      [2, 0.512],
    ]);
    expect(figures.control).toMatchObject({ gain: 0.02, interval: [-0.1, 0.2] });
  });

  it.each([
    [0.1, 0.2, [0.05, 0.15], false], // too little
    [0.1, 0.5, [-0.01, 0.8], false], // may be luck
  ] as const)('does not rise from %d to %d (%j)', (before, after, interval, rises) => {
    expect(outcome({ none: result(before, after, interval) } as never).isRising).toBe(rises);
  });

  it('is no control where that rises, and says nothing of what was not run', () => {
    const rising = outcome({ shuffled: result(0.1, 0.5, [0.2, 0.6]) } as never);
    expect([rising.isRising, rising.isControlFlat]).toEqual([undefined, false]);
    expect(outcome({ shuffled: result(0.2, 0.4, [-0.1, 0.5]) } as never).isControlFlat).toBe(false); // too much for a control
  });

  it.each([
    [[true, true], [true, true], { rising: true, controlsFlat: true, ok: true }],
    [[true, false], [true, true], { rising: false, controlsFlat: true, ok: false }],
    [[true, true], [true, false], { rising: true, controlsFlat: false, ok: false }],
    [[true, true], [undefined, undefined], { rising: true, controlsFlat: undefined, ok: true }],
    [[undefined, undefined], [false, true], { rising: undefined, controlsFlat: false, ok: false }],
  ])('are judged together: %j, controls %j', (rising, flat, expected) => {
    expect(judge(rising.map((isRising, index) => ({ isRising, isControlFlat: flat[index] })))).toEqual(expected);
  });
});
