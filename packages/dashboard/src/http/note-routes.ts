import { check } from '@agent-lightning/core';
import { isId } from '@agent-lightning/store';
import type { NoteList } from '../api.ts';
import { toLabelLines } from '../notes/label-lines.ts';
import { checkNoteContent, type Note } from '../notes/note.ts';
import type { RunShelf } from '../runs/run-shelf.ts';
import { lines, route, write, type Route } from './route.ts';

/** Makes the routes of a reader's notes: they are the only ones that write, into a file of their own. */
export function noteRoutes(shelf: RunShelf): readonly Route[] {
  return [
    route('/api/runs/:run/notes', {}, async ({ run }): Promise<NoteList | undefined> => {
      const files = await shelf.files(run!);
      return files && { notes: [...(await files.notes.read()).values()].toReversed() };
    }),
    lines('/api/runs/:run/notes.jsonl', async ({ run }) => {
      const [files, rollouts] = [await shelf.files(run!), await shelf.rollouts(run!)];
      if (files === undefined || rollouts === undefined) return undefined;
      return toLabelLines(rollouts.store, (await files.notes.read()).values());
    }),
    write('/api/runs/:run/rollouts/:rollout/note', async ({ run, rollout }, body): Promise<Note | undefined> => {
      const rollouts = await shelf.rollouts(run!);
      if (rollouts === undefined || !isId(rollout!)) return undefined;
      if ((await rollouts.store.getRollout(rollout!)) === undefined) return undefined;
      const files = await shelf.files(run!);
      if (files === undefined)
        throw check.optionInvalid(
          'note',
          shelf.title,
          'a rollout of a run directory: a store alone has no place for notes',
        );
      const note = { rolloutId: rollout!, ...checkNoteContent(body), at: new Date().toISOString() };
      await files.notes.append(note);
      return note;
    }),
  ];
}
