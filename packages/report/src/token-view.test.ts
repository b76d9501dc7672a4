import { describe, expect, it } from 'vitest';
import { signed, tokenText } from './token-view.ts';

describe('tokenText', () => {
  it('keeps the text as it is, without space between tokens', () => {
    const { text } = tokenText([
      { text: 'SELECT', logprob: -0.01, advantage: 1 },
      { text: ' *\n', logprob: -2, advantage: -1 },
    ]);
    expect(text.replaceAll(/<[^>]+>/g, '')).toBe('SELECT *⏎\n');
  });

  it('shows how unlikely a token was, and which way it was pushed', () => {
    const { text } = tokenText([
      { text: 'a', logprob: -0.1, advantage: 0.5 },
      { text: 'b', logprob: -9, advantage: -0.5 },
      { text: 'c', logprob: -1, advantage: 0 },
    ]);
    expect([...text.matchAll(/class="(token[^"]*)"/g)].map(([, names]) => names)).toEqual([
      'tokens',
      'token s0 up',
      'token s4 down',
      'token s1',
    ]);
    expect(text).toContain('title="log-probability -9.000 (0.0 %), advantage −0.5"');
  });

  it('joins what was read and not sampled into one pale piece', () => {
    const { text } = tokenText([
      { text: '<|user|>', logprob: undefined, advantage: undefined },
      { text: 'Hi', logprob: undefined, advantage: undefined },
      { text: 'Yo', logprob: -1, advantage: 1 },
    ]);
    expect(text.match(/class="masked"/g)).toHaveLength(1);
    expect(text).toContain('>&lt;|user|&gt;Hi</span>');
  });
});

describe('signed', () => {
  it('always has a sign', () => {
    expect([1.234, -0.5, 0].map(signed)).toEqual(['+1.23', '−0.5', '+0']);
  });
});
