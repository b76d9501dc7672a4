import type { Algorithm } from '@agent-lightning/core';

/** The verdicts of a search, in words. */
export const verdictWords: NonNullable<Algorithm['verdictWords']> = Object.freeze({
  better: 'the new prompts are better than yours',
  worse: 'the new prompts are worse than yours on tasks that the search did not see: keep yours',
  'cannot-tell': 'no prompt was better than yours, as far as these tasks can tell',
});
