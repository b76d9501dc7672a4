import type { JSX } from 'preact';
import { useId, useState } from 'preact/hooks';
import { longestComment, marks, type Mark } from '../../../src/notes/marks.ts';
import type { Note, NoteContent } from '../../../src/notes/note.ts';
import { canWrite } from '../access.ts';
import { changes, put } from '../fetch.ts';
import { formatMoment } from '../format.ts';
import { snapshot } from '../snapshot/snapshot.ts';

/** The marks with a sign and a colour of their own. */
export const signs: Readonly<Record<Mark, readonly [className: string, sign: string]>> = {
  good: ['good', '✓'],
  bad: ['bad', '✕'],
  unsure: ['warn', '?'],
};

/** Shows a note in a few characters, as in a row of the table. */
export function NoteBadge({ note }: { readonly note: NoteContent | undefined }): JSX.Element | undefined {
  if (note === undefined) return undefined;
  const { mark, label, comment = '' } = note;
  const [className, sign] = mark === undefined ? ['', '✎'] : signs[mark];
  return (
    <span
      class={`badge note ${className}`}
      title={[mark, label, comment].filter((part) => part !== undefined).join(' · ')}
    >
      <span aria-hidden="true">{sign}</span>
      <span class="reader">note: {mark ?? 'a comment'}</span>
      {label === undefined ? '' : ` ${label}`}
      {mark !== undefined && comment !== '' ? <span aria-hidden="true"> ✎</span> : ''}
    </span>
  );
}

/** Shows the reader's note on a rollout, and lets it be written where the reader has the key. */
export function NoteCard({
  path,
  note,
}: {
  readonly path: string;
  readonly note: Note | undefined;
}): JSX.Element | undefined {
  const [isEdited, setIsEdited] = useState(false);
  if (snapshot !== undefined && note === undefined) return undefined; // none can be written there
  if (canWrite.value === true && isEdited) return <NoteForm path={path} note={note} close={() => setIsEdited(false)} />;
  return (
    <section class="card note-card">
      <div class="head">
        <h2>Your note</h2>
        {canWrite.value === true ? (
          <button type="button" onClick={() => setIsEdited(true)}>
            {note === undefined ? 'Mark or comment' : 'Change'}
          </button>
        ) : undefined}
      </div>
      {note === undefined ? (
        <p class="hint">
          None.{' '}
          {canWrite.value === true
            ? 'Notes are kept in the run directory, and can be exported as labelled answers.'
            : 'To write one, open the dashboard by the address with the key, which the command prints.'}
        </p>
      ) : (
        <>
          <p>
            <NoteBadge note={note} /> <span class="hint">{formatMoment(note.at)}</span>
          </p>
          {note.comment === undefined ? undefined : <pre class="text">{note.comment}</pre>}
        </>
      )}
    </section>
  );
}

function NoteForm({
  path,
  note,
  close,
}: {
  readonly path: string;
  readonly note: Note | undefined;
  readonly close: () => void;
}): JSX.Element {
  const [mark, setMark] = useState<Mark | undefined>(note?.mark);
  const [label, setLabel] = useState(note?.label === undefined ? '' : String(note.label));
  const [comment, setComment] = useState(note?.comment ?? '');
  const [problem, setProblem] = useState<string>();
  const hint = useId();
  const save = async (content: NoteContent): Promise<void> => {
    try {
      await put(path, content);
      changes.rollouts.value += 1;
      close();
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
  };
  const submit = (event: Event): void => {
    event.preventDefault();
    const score = label.trim() === '' ? undefined : Number(label.replace(',', '.'));
    if (score !== undefined && !(score >= 0 && score <= 1)) {
      setProblem('The score is a number from 0 to 1, or nothing.');
      return;
    }
    void save({
      ...(mark !== undefined && { mark }),
      ...(score !== undefined && { label: score }),
      ...(comment.trim() !== '' && { comment }),
    });
  };
  return (
    <section class="card note-card">
      <h2>Your note</h2>
      <form onSubmit={submit} onKeyDown={(event) => event.key === 'Escape' && close()}>
        <div class="note-fields">
          <fieldset class="choice">
            <legend class="reader">Mark</legend>
            {marks.map((each) => (
              <button
                key={each}
                type="button"
                aria-pressed={mark === each}
                onClick={() => setMark(mark === each ? undefined : each)}
              >
                <span aria-hidden="true">{signs[each][1]}</span> {each}
              </button>
            ))}
          </fieldset>
          <label>
            score{' '}
            <input
              type="text"
              inputMode="decimal"
              size={5}
              placeholder={mark === 'good' ? '1' : mark === 'bad' ? '0' : '–'}
              aria-describedby={hint}
              value={label}
              onInput={(event) => setLabel(event.currentTarget.value)}
            />
          </label>
          <span class="hint" id={hint}>
            from 0 to 1; left empty, it is that of the mark
          </span>
        </div>
        <textarea
          aria-label="comment"
          rows={3}
          maxLength={longestComment}
          placeholder="What is right or wrong with it?"
          value={comment}
          onInput={(event) => setComment(event.currentTarget.value)}
        />
        <p class="note-fields">
          <button type="submit" class="main">
            Save
          </button>
          <button type="button" class="quiet" onClick={close}>
            Cancel
          </button>
          {note === undefined ? undefined : (
            <button type="button" class="quiet" onClick={() => void save({})}>
              Remove the note
            </button>
          )}
          {problem === undefined ? undefined : (
            <span class="bad" role="alert">
              {problem}
            </span>
          )}
        </p>
      </form>
    </section>
  );
}
