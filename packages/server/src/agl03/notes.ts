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

/**
 * Keeps, in this process's memory, what clients of Agent Lightning 0.3 change of rollouts that already run, and say of attempts beside their
 * status: our store has no place for it. It is gone when the server ends, and the oldest goes when there is too much.
 */
export class Notes<Note extends object> {
  readonly #notes: Map<string, Note> = new Map();

  get(id: string): Partial<Note> {
    return this.#notes.get(id) ?? {};
  }

  add(id: string, note: Note): void {
    const after = { ...this.#notes.get(id), ...note };
    this.#notes.delete(id);
    this.#notes.set(id, after);
    const oldest = this.#notes.keys().next().value;
    if (this.#notes.size > mostNotes && oldest !== undefined) this.#notes.delete(oldest);
  }

  /** Takes one field back. */
  remove(id: string, name: keyof Note): void {
    const { [name]: _removed, ...rest } = this.#notes.get(id) ?? ({} as Note);
    if (this.#notes.has(id)) this.#notes.set(id, rest as Note);
  }
}
