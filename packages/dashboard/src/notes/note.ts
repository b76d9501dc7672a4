import { check } from '@agent-lightning/core';
import { longestComment, marks, type Mark } from './marks.ts';

/** A reader's note on a rollout. */
export interface Note {
  readonly rolloutId: string;
  readonly mark?: Mark;
  /** The score that the reader gives, from 0 to 1. @default 1 for the mark `good`, 0 for `bad`, and none for others */
  readonly label?: number;
  readonly comment?: string;
  /** The moment of the note, in ISO 8601. */
  readonly at: string;
}

/** The parts of a note that a reader writes; one without any takes the note away. */
export type NoteContent = Pick<Note, 'mark' | 'label' | 'comment'>;

/** Returns the score of a note: the reader's own, else that of the mark; undefined where it has neither. */
export function labelOf({ mark, label }: NoteContent): number | undefined {
  return label ?? (mark === 'good' ? 1 : mark === 'bad' ? 0 : undefined);
}

/** Tells whether a note says anything. */
export function isEmpty({ mark, label, comment }: NoteContent): boolean {
  return mark === undefined && label === undefined && comment === undefined;
}

/** Checks what a reader wrote; null and empty texts count as left out. @throws {ConfigurationError} `option-invalid` */
export function checkNoteContent(given: unknown): NoteContent {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw check.optionInvalid('note', given, 'an object such as { mark: "good", comment: "…" }');
  check.knownOptions('note', given, ['mark', 'label', 'comment']);
  const { mark, label, comment } = given as Readonly<Record<string, unknown>>;
  const trimmed = typeof comment === 'string' ? comment.trim() : comment;
  if (mark !== undefined && mark !== null && mark !== '' && !marks.includes(mark as Mark))
    throw check.optionInvalid('note.mark', mark, `one of ${marks.join(', ')}`);
  if (label !== undefined && label !== null && !(typeof label === 'number' && label >= 0 && label <= 1))
    throw check.optionInvalid('note.label', label, 'a number from 0 to 1');
  if (trimmed !== undefined && trimmed !== null && typeof trimmed !== 'string')
    throw check.optionInvalid('note.comment', comment, 'a text');
  if (typeof trimmed === 'string' && trimmed.length > longestComment)
    throw check.optionInvalid('note.comment', `${trimmed.length} characters`, `at most ${longestComment} characters`);
  return {
    ...(marks.includes(mark as Mark) && { mark: mark as Mark }),
    ...(typeof label === 'number' && { label }),
    ...(typeof trimmed === 'string' && trimmed !== '' && { comment: trimmed.toWellFormed() }),
  };
}
