import type { Checkpoint } from '@agent-lightning/embedded';
import { ChatTemplate, Tokenizer, trainBytePairTokenizer } from '@agent-lightning/text';
import { describe, expect, it } from 'vitest';

import { toolChat } from './chat-formats.ts';
import { toTrainingSamples, type Dialogue } from './dialogue-samples.ts';

const vocabulary = trainBytePairTokenizer({
  texts: ['say it'],
  vocabularySize: 300,
  specialTokens: toolChat.specialTokens,
});
const tokenizer = new Tokenizer(vocabulary, {}, 'test');
const chatTemplate = new ChatTemplate({ template: toolChat.template, name: 'the kit' }, {});
const eosTokenIds = [...tokenizer.encode(toolChat.endToken, false)];
const checkpoint = { tokenizer, chatTemplate, eosTokenIds } as unknown as Checkpoint;

const dialogue: Dialogue = {
  prompt: [
    { role: 'system', content: 'be brief' },
    { role: 'user', content: 'say it' },
    { role: 'assistant', content: 'first' },
    { role: 'user', content: 'again' },
  ],
  response: 'second',
};

/** The learned parts of each sample. */
function learned(...dialogues: readonly Dialogue[]): string[][] {
  return toTrainingSamples(checkpoint, dialogues).map(({ tokens, lossMask }) => {
    const text = Array.from(tokens, (token, t) => (lossMask[t] === 1 ? tokenizer.textOf(token) : '\n')).join('');
    return text.split(/\n+/).filter((part) => part !== '');
  });
}

describe('toTrainingSamples', () => {
  it('learns the answer and its end, and nothing of the prompt', () => {
    expect(learned(dialogue)).toEqual([['second<|end|>']]);
  });

  it('learns all that the assistant says where that is asked for', () => {
    const all = { ...dialogue, learnsEveryTurn: true };
    expect(learned(all)).toEqual([['first<|end|>', 'second<|end|>']]);
  });

  it('weighs every learned token of the batch the same, all of them together 1', () => {
    const samples = toTrainingSamples(checkpoint, [dialogue, { ...dialogue, learnsEveryTurn: true }]);
    const weights = samples.flatMap(({ advantages }) => [...advantages].filter((weight) => weight !== 0));
    expect(new Set(weights).size).toBe(1);
    expect(weights.reduce((sum, weight) => sum + weight, 0)).toBeCloseTo(1, 6);
  });
});
