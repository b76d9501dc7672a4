/** A full-text index over documents: SQLite's FTS5, ranked by BM25, in memory. */
import { DatabaseSync, type StatementSync } from 'node:sqlite';

import type { Document } from './library.ts';

/** A word of the title says more about what a passage is about than one of its text. */
const titleWeight = 3;
/** A query is a few keywords; what a model writes beyond these words is not sought. */
const maxWords = 32;

/** Holds its database until it is disposed of. */
export class SearchIndex implements Disposable {
  readonly #database = new DatabaseSync(':memory:');
  readonly #search: StatementSync;

  constructor(documents: readonly Document[]) {
    this.#database.exec('CREATE VIRTUAL TABLE documents USING fts5(title, text)');
    const insert = this.#database.prepare('INSERT INTO documents (title, text) VALUES (?, ?)');
    this.#database.exec('BEGIN'); // one transaction: the index is written once, not for each document
    for (const { title, text } of documents) insert.run(title, text);
    this.#database.exec('COMMIT');
    this.#search = this.#database.prepare(
      `SELECT text FROM documents WHERE documents MATCH ? ORDER BY bm25(documents, ${titleWeight}, 1), rowid LIMIT ?`,
    );
  }

  /** The passages that fit best, best first. Any text is a query: its words are sought, each of them optional. */
  search(query: string, limit: number): readonly string[] {
    const words = (query.match(/[\p{L}\p{N}]+/gu) ?? []).slice(0, maxWords);
    if (words.length === 0) return [];
    const match = words.map((word) => `"${word}"`).join(' OR ');
    return this.#search.all(match, limit).map(({ text }) => String(text));
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }
}
