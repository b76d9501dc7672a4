/** The marks that a reader can give a rollout. */
export const marks = ['good', 'bad', 'unsure'] as const;
export type Mark = (typeof marks)[number];

/** The most characters of a comment. */
export const longestComment = 10_000;
