import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { trainBytePairTokenizer } from './byte-pair-training.ts';
import { Tokenizer } from './tokenizer.ts';
import { ChoiceText } from './choice-text.ts';

const tokenizer = new Tokenizer(
  trainBytePairTokenizer({
    texts: ['the cat sat on the mat; the end'],
    vocabularySize: 270,
    specialTokens: ['<|end|>', '<|tool|>'],
  }),
  {},
  'test',
);
const end = tokenizer.idOf('<|end|>') as number;
const anyTokens = fc.array(fc.nat(tokenizer.vocabularySize - 1), { maxLength: 30 });

describe('ChoiceText', () => {
  it('shows the decoded tokens, however they are cut into pieces', () => {
    fc.assert(
      fc.property(fc.array(anyTokens, { minLength: 1 }), (pieces) => {
        const choice = new ChoiceText(tokenizer, [], [end]);
        const text = pieces
          .map((piece, index) => choice.push(Int32Array.from(piece), index === pieces.length - 1).text)
          .join('');
        expect(text).toBe(tokenizer.decode(pieces.flat()));
        expect(choice.ended).toBe(true);
      }),
    );
  });

  it('ends at a stop text: the text before it, the tokens that completed it', () => {
    const tokens = tokenizer.encode('the cat sat on the mat', false);
    const choice = new ChoiceText(tokenizer, ['t o'], [end]);
    const piece = choice.push(tokens, false);
    expect(piece).toMatchObject({ text: 'the cat sa', stopped: true });
    expect(choice.ended).toBe(true);
    expect(tokenizer.decode(tokens.subarray(0, piece.tokens))).toContain('t o');
    expect(tokenizer.decode(tokens.subarray(0, piece.tokens - 1))).not.toContain('t o');
  });

  it('gives back text that only began like a stop text when the choice ends', () => {
    const choice = new ChoiceText(tokenizer, ['mat!'], [end]);
    const held = choice.push(tokenizer.encode('the mat', false), false);
    expect(held.text).toBe('the ');
    expect(choice.push(Int32Array.of(end), true)).toEqual({ text: 'mat', tokens: 1, stopped: false });
  });

  it('keeps an end token out of the text even when the tokenizer calls it ordinary', () => {
    const ordinary = tokenizer.encode('the', false);
    const choice = new ChoiceText(tokenizer, [], [...ordinary]);
    expect(choice.push(ordinary, true)).toEqual({ text: '', tokens: ordinary.length, stopped: false });
  });
});
