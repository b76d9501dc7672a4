import type { AglConfig, AttemptStatus, JsonObject, Mode } from './shapes.ts';
import type { JsonValue } from '@agent-lightning/core';

/** Fields of a rollout that a client changed while it ran. */
export interface RolloutNote {
  readonly input?: JsonValue;
  readonly mode?: Mode | null;
  readonly resources_id?: string | null;
  readonly config?: AglConfig;
  readonly metadata?: JsonObject | null;
}

/** Fields of an attempt that ours do not have. */
export interface AttemptNote {
  readonly worker_id?: string;
  readonly last_heartbeat_time?: number;
  readonly metadata?: JsonObject;
  /** `unresponsive`: a client said so of an attempt that still may write, and so come back. */
  readonly status?: Extract<AttemptStatus, 'unresponsive'>;
}

const mostNotes = 100_000;
/** The most characters of all notes as JSON: metadata may have any size. */
const mostCharacters = 67_108_864;

interface Kept<Note> {
  readonly note: Partial<Note>;
  readonly characters: number;
}

/**
 * Keeps, in this process's memory, what clients of Agent Lightning 0.3 change of rollouts that already run, and say of attempts beside their
 * status: our store has no place for it. It is gone when the server ends, and the oldest goes when there is too much.
 */
export class Notes<Note extends object> {
  readonly #notes: Map<string, Kept<Note>> = new Map();
  readonly #mostCharacters: number;
  #characters: number = 0;

  constructor(options: { readonly mostCharacters?: number } = {}) {
    this.#mostCharacters = options.mostCharacters ?? mostCharacters;
  }

  get(id: string): Partial<Note> {
    return this.#notes.get(id)?.note ?? {};
  }

  add(id: string, note: Note): void {
    this.#keep(id, { ...this.get(id), ...note });
  }

  /** Takes one field back. */
  remove(id: string, name: keyof Note): void {
    const { [name]: _removed, ...rest } = this.get(id);
    if (this.#notes.has(id)) this.#keep(id, rest as Partial<Note>);
  }

  #keep(id: string, note: Partial<Note>): void {
    this.#forget(id);
    const characters = JSON.stringify(note).length;
    this.#notes.set(id, { note, characters });
    this.#characters += characters;
    for (const oldest of this.#notes.keys()) {
      if (this.#notes.size <= mostNotes && this.#characters <= this.#mostCharacters) return;
      this.#forget(oldest);
    }
  }

  #forget(id: string): void {
    this.#characters -= this.#notes.get(id)?.characters ?? 0;
    this.#notes.delete(id);
  }
}
