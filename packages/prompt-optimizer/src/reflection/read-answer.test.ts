import { describe, expect, it } from 'vitest';
import { readAnswer } from './read-answer.ts';

describe('readAnswer', () => {
  it.each([
    ['I put it between <new_prompt> tags: <new_prompt>Do X.</new_prompt>', 'Do X.'],
    ['<new_prompt>Do W.</new_prompt> or rather <new_prompt>\nDo X.\n</new_prompt>', 'Do X.'],
    ['<new_prompt>Do X.', undefined],
    ['```\nDo X.\n```', 'Do X.'],
    ['Before:\n```\nDo W.\n```\nAfter:\n```\nDo X.\n```', undefined],
    ['````md\n```sql\nSELECT 1\n```\n````', '```sql\nSELECT 1\n```'],
    ['  Do X.\n', 'Do X.'],
  ])('reads %j as %j', (answer, text) => {
    expect(readAnswer(answer)).toBe(text);
  });
});
