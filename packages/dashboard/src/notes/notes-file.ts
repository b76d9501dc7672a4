import { open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { marks, type Mark } from './marks.ts';
import { isEmpty, type Note } from './note.ts';

/** The file of a run directory that has the notes, one a line. */
export const notesFileName = 'notes.jsonl';

/** The notes of a run by the id of the rollout. */
export type Notes = ReadonlyMap<string, Note>;

const none: Notes = new Map();

/**
 * Keeps the notes of a run in its directory. A note is a line that is appended and synced before it counts as written, so that a process
 * that is killed loses none; the newest line of a rollout counts. Several processes may write.
 */
export class NotesFile {
  readonly #path: string;
  #known: { readonly mark: string; readonly notes: Notes } = { mark: '', notes: none };

  constructor(directory: string) {
    this.#path = join(directory, notesFileName);
  }

  /** Returns a text that changes when the file does; empty while there is none. */
  async mark(): Promise<string> {
    const found = await stat(this.#path).catch(() => undefined); // nobody wrote a note yet
    return found === undefined ? '' : `${found.ino} ${found.size} ${found.mtimeMs}`;
  }

  /** Reads the notes; what is no line of notes, such as one that a crash cut off, is left out. */
  async read(): Promise<Notes> {
    const mark = await this.mark();
    if (mark === '') return none;
    if (mark !== this.#known.mark) this.#known = { mark, notes: toNotes(await readFile(this.#path, 'utf8')) };
    return this.#known.notes;
  }

  /** Appends a note, and resolves when it is on the disk. */
  async append(note: Note): Promise<void> {
    const file = await open(this.#path, 'a+');
    try {
      const { size } = await file.stat();
      const last = size === 0 ? undefined : (await file.read(Buffer.alloc(1), 0, 1, size - 1)).buffer.toString();
      // Behind a line that a crash cut off, a new line begins.
      await file.appendFile(`${last === undefined || last === '\n' ? '' : '\n'}${JSON.stringify(note)}\n`);
      await file.sync();
    } finally {
      await file.close();
    }
  }
}

function toNotes(text: string): Notes {
  const notes = new Map<string, Note>();
  for (const line of text.split('\n')) {
    const note = readNote(line);
    if (note === undefined) continue;
    notes.delete(note.rolloutId); // the newest note is the last one
    if (!isEmpty(note)) notes.set(note.rolloutId, note);
  }
  return notes;
}

function readNote(line: string): Note | undefined {
  const { rolloutId, mark, label, comment, at } = parse(line);
  if (typeof rolloutId !== 'string') return undefined;
  return {
    rolloutId,
    ...(marks.includes(mark as Mark) && { mark: mark as Mark }),
    ...(typeof label === 'number' && label >= 0 && label <= 1 && { label }),
    ...(typeof comment === 'string' && comment !== '' && { comment }),
    at: typeof at === 'string' ? at : '',
  };
}

function parse(line: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  } catch {
    return {}; // a line that is being written, or was cut off
  }
}
