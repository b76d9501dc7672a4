/** The questions that the agent is asked, and the right answers. */
export type Question = { readonly word: 'after' | 'before'; readonly day: string };

export const days = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday'] as const;

/** All that there are; nothing is held out, for nothing about days follows from other days. */
export const questions: readonly Question[] = (['after', 'before'] as const).flatMap((word) =>
  days.map((day) => ({ word, day })),
);

export function rightAnswer({ word, day }: Question): string {
  const step = word === 'after' ? 1 : -1;
  return days.at((days.findIndex((each) => each === day) + step) % days.length)!;
}
