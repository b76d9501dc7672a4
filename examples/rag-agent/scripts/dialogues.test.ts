import { seededRandom } from '@agent-lightning/core';
import { pick } from '@agent-lightning/example-kit';
import { describe, expect, it } from 'vitest';

import { documentsOf } from '../library.ts';
import { sideOf } from '../names.ts';
import { kinds, library, trainingQuestions } from '../questions.ts';
import { answerReward } from '../reward.ts';
import { SearchIndex } from '../search.ts';
import { agentDialogue, copyingDialogue } from './dialogues.ts';

const index = new SearchIndex(documentsOf(library.train));
const questions = trainingQuestions(0);

function dialogues(count: number) {
  const random = seededRandom(7);
  return Array.from({ length: count }, () => {
    const question = pick(questions, random);
    return { question, dialogue: agentDialogue(question, index, random) };
  });
}

const some = dialogues(4000);
const rewards = some.map(({ question, dialogue }) => answerReward(question.gold, dialogue.response));

describe('the dialogues', () => {
  it('are the same for the same seed', () => {
    expect(dialogues(50)).toEqual(some.slice(0, 50));
  });

  it('name nothing that is held out', () => {
    const names = some.flatMap(({ dialogue: { prompt, response } }) =>
      [...prompt.map(({ content }) => String(content)), response].flatMap(
        (text) => text.match(/\b[A-Z]\w+ [A-Z]\w+/g) ?? [],
      ),
    );
    expect(names.length).toBeGreaterThan(10_000);
    expect(new Set(names.map(sideOf))).toEqual(new Set(['train']));
    const random = seededRandom(8);
    const words = String(copyingDialogue(random).prompt[0]?.content).split(' ').slice(1);
    const practised = words.flatMap((word, i) => (i % 2 === 0 ? [`${word} ${words[i + 1]}`] : []));
    expect(new Set(practised.map(sideOf))).toEqual(new Set(['train']));
  });

  it('are mediocre, and sometimes wholly right for every kind of question', () => {
    const mean = rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length;
    expect(mean).toBeGreaterThan(0.2);
    expect(mean).toBeLessThan(0.35);
    const right = some.filter((_, i) => rewards[i] === 1);
    expect(right.length / some.length).toBeLessThan(0.15);
    expect(new Set(right.map(({ question }) => question.kind))).toEqual(new Set(kinds));
  });
});
