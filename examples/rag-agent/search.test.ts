import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { documentsOf } from './library.ts';
import { library } from './questions.ts';
import { SearchIndex } from './search.ts';

const documents = [...documentsOf(library.train), ...documentsOf(library.heldOut)];
const index = new SearchIndex(documents);

describe('the index', () => {
  it('ranks the fact first that has the word and the title, among hundreds', () => {
    expect(documents.length).toBeGreaterThan(400);
    for (const { title, text } of documents) expect(index.search(`${text.split(' ')[1]} ${title}`, 2)[0]).toBe(text);
  });

  it('gives no more than it is asked for, and nothing for words that no fact has', () => {
    expect(index.search('mayor', 3)).toHaveLength(3);
    expect(index.search('xylophone', 3)).toEqual([]);
    expect(index.search('', 3)).toEqual([]);
  });

  it('takes any text for a query, the operators of full-text search too', () => {
    const { title, text } = documents[0]!;
    expect(index.search(`author "${title}" AND NOT title:* NEAR(^`, 1)).toEqual([text]);
    expect(index.search(`author ${title} ${'word '.repeat(5000)}`, 1)).toEqual([text]);
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), (query) => {
        expect(index.search(query, 2).length).toBeLessThanOrEqual(2);
      }),
    );
  });
});
