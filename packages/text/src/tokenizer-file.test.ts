import { setImmediate } from 'node:timers/promises';

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { trainBytePairTokenizer } from './byte-pair-training.ts';
import { splitMember, splitMembers } from './json-pieces.ts';
import { readTokenizerFile } from './tokenizer-file.ts';
import { Tokenizer } from './tokenizer.ts';

const groupsOf = (text: string, length: number): string[] => {
  const groups: string[] = [];
  for (const group of splitMembers(text, 0, length)) if (group !== undefined) groups.push(group);
  return groups;
};

describe('splitMembers', () => {
  it('gives groups that make up the object, whatever it holds', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.nat(40), (object, length) => {
        const read = groupsOf(JSON.stringify(object), length).flatMap((group) =>
          Object.entries(JSON.parse(`{${group}}`) as object),
        );
        expect(new Map(read)).toEqual(new Map(Object.entries(JSON.parse(JSON.stringify(object)) as object)));
        const members = groupsOf(JSON.stringify(object), 0).map(splitMember);
        expect(members.map(([name, value]) => [name, JSON.parse(value)])).toEqual(
          Object.entries(JSON.parse(JSON.stringify(object)) as object),
        );
      }),
    );
  });

  it('gives groups that make up the list, none of them longer than it must be', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), fc.integer({ min: 1, max: 40 }), (list, length) => {
        const text = JSON.stringify(list, null, 1);
        const groups = groupsOf(text, length);
        expect(groups.flatMap((group) => JSON.parse(`[${group}]`) as unknown[])).toEqual(JSON.parse(text));
        for (const group of groups.slice(0, -1)) expect(group.length).toBeGreaterThanOrEqual(length);
      }),
    );
  });

  it.each(['{"a":1', '{"a', '["a\\"', '{"a":1,}', '[1, ]'])('refuses what is not whole: %s', (text) => {
    expect(() => groupsOf(text, 0)).toThrow(SyntaxError);
  });
});

describe('readTokenizerFile', () => {
  const json = trainBytePairTokenizer({
    texts: ['the cat sat on the mat', 'naïve "quoted" \\ 🙂, and {brackets]'],
    vocabularySize: 300,
    specialTokens: ['<|end|>', '":1,"', '{'],
  });

  it('reads what the whole file holds, also when the merges come first', async () => {
    const { vocab, merges, ...settings } = json['model'] as Record<string, object>;
    const turned = { ...json, model: { merges, ...settings, vocab } };
    for (const [content, blanks] of [
      [json, 0],
      [turned, 2],
    ] as const) {
      const loaded = await Tokenizer.load(JSON.stringify(content, null, blanks), {}, 'test');
      const built = new Tokenizer(json, {}, 'test');
      expect(loaded.vocabularySize).toBe(built.vocabularySize);
      for (const text of ['the "cat" 🙂', 'x<|end|>":1,"{naïve'])
        expect(loaded.encode(text, true)).toEqual(built.encode(text, true));
    }
  });

  it('lets others work while it reads a large vocabulary', async () => {
    const vocab = Object.fromEntries(Array.from({ length: 100_000 }, (_, id) => [`token ${id}`, id]));
    const text = JSON.stringify({
      ...json,
      added_tokens: [],
      model: { ...(json['model'] as object), vocab, merges: [] },
    });
    let isRead = false;
    const reading = readTokenizerFile(text, 'test', () => {}).then((file) => {
      isRead = true;
      return file;
    });
    let turns = 0;
    for (; !isRead; turns += 1) await setImmediate();
    expect((await reading).vocabulary.tokens).toHaveLength(100_000);
    expect(turns).toBeGreaterThanOrEqual(text.length / (1 << 17) - 1);
  });

  it('refuses a kind of model that is not supported before it reads its tokens', async () => {
    const text = JSON.stringify({ ...json, model: { type: 'Unigram', vocab: [['a', -1]] } });
    await expect(Tokenizer.load(text, {}, './model')).rejects.toMatchObject({
      code: 'checkpoint-unsupported',
      message: expect.stringContaining('model.type is "Unigram"'),
    });
  });

  it.each([
    ['[', /is not JSON: it is no object/],
    ['{"model":{"vocab":{"a":0', /is not JSON: it ends too early/],
    ['{"model":{"vocab":{"a":0}}} x', /is not JSON: something follows its end/],
    ['{"model":{"vocab":{"a":zero}}}', /is not JSON/],
    ['{"model":{"vocab":{"a":"0"}}}', /the token "a" has the id "0"/],
    ['{"model":{"vocab":{"a":0},"merges":["a b"]}}', /the merge "a b" names no two tokens/],
    ['{"model":{"vocab":{"a":0},"merges":[7]}}', /the merge 7 names no two tokens/],
  ])('names what is broken: %s', async (text, message) => {
    await expect(readTokenizerFile(text, './model', () => {})).rejects.toMatchObject({
      code: 'checkpoint-corrupt',
      message: expect.stringMatching(message),
    });
  });
});
