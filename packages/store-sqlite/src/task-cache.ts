import { decodeTask, type Task } from './row-codecs.ts';
import type { Statements } from './statements.ts';

const maxEntries: number = 2_048;
/** Tasks whose JSON is longer are parsed each time, so that the cache stays small. */
const maxCachedCharacters: number = 16_384;

/** The immutable parts of recently read rollouts, by ordinal; ordinals are never used twice, so that no entry is ever wrong. */
export class TaskCache {
  readonly #tasks: Map<number, Task> = new Map();

  read(statements: Statements, ordinal: number): Task {
    const cached = this.#tasks.get(ordinal);
    if (cached !== undefined) return cached;
    const row = statements.get('SELECT input, settings FROM tasks WHERE ordinal = ?', ordinal) ?? {};
    const task = decodeTask(row);
    if ((row['input'] as string).length + (row['settings'] as string).length <= maxCachedCharacters)
      this.#keep(ordinal, task);
    return task;
  }

  #keep(ordinal: number, task: Task): void {
    this.#tasks.set(ordinal, task);
    if (this.#tasks.size <= maxEntries) return;
    const oldest = this.#tasks.keys().next().value;
    if (oldest !== undefined) this.#tasks.delete(oldest);
  }
}
