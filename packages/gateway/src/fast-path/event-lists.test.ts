import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bytesWithout, findLists } from './event-lists.ts';
import { NumberScanner } from './number-scanner.ts';

const scanner = new NumberScanner();

const nasty = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom(
    ',"token_ids":[1]',
    '"logprobs":{"content":[',
    '"logprob":-5,',
    '\\',
    '\\"',
    ']}',
    '"prompt_token_ids"',
    'é🙂',
  ),
);
const id = fc.integer({ min: 0, max: 2_147_483_647 });
const logprob = fc.double({ min: -50, max: 0, noNaN: true });
const alternative = fc.record({ token: nasty, logprob, bytes: fc.option(fc.array(fc.nat(255), { maxLength: 3 })) });
const entry = fc.record({
  token: nasty,
  logprob,
  bytes: fc.option(fc.array(fc.nat(255), { maxLength: 3 })),
  top_logprobs: fc.array(alternative, { maxLength: 2 }),
});
const chunk = fc.record({
  id: nasty,
  choices: fc.tuple(
    fc.record({
      index: fc.nat(3),
      delta: fc.record({ content: nasty, [',"token_ids":[']: fc.constant(1) }, { requiredKeys: ['content'] }),
      logprobs: fc.record({ content: fc.array(entry, { minLength: 1, maxLength: 4 }) }),
      finish_reason: fc.option(fc.constant('stop')),
      token_ids: fc.array(id, { minLength: 1, maxLength: 4 }),
      stop_reason: fc.option(nasty),
    }),
  ),
  usage: fc.option(fc.record({ note: nasty })),
});

describe('findLists', () => {
  it('finds what the parser finds, and leaves the rest as it was', () => {
    fc.assert(
      fc.property(chunk, (payload) => {
        const bytes = Buffer.from(JSON.stringify(payload));
        const lists = findLists(scanner, bytes);
        if (lists === undefined) throw new Error('nothing was found');
        const [choice] = payload.choices;
        expect(bytes.toString('utf8', lists.idsAt, lists.idsEnd)).toBe(
          `,"token_ids":${JSON.stringify(choice.token_ids)}`,
        );
        expect(bytes.toString('utf8', lists.logprobsAt, lists.logprobsEnd)).toBe(JSON.stringify(choice.logprobs));
        const { token_ids: _ids, ...rest } = choice;
        expect(JSON.parse(bytesWithout(bytes, lists).toString())).toEqual(
          JSON.parse(JSON.stringify({ ...payload, choices: [{ ...rest, logprobs: null }] })),
        );
      }),
    );
  });

  it.each([
    '{"choices":[{"index":0,"delta":{"content":"a"},"logprobs":null,"finish_reason":null}]}',
    '{"choices":[{"logprobs":{"content":[{"logprob":-1}]},"token_ids":[1]},{"logprobs":{"content":[{"logprob":-1}]},"token_ids":[2]}]}',
    '{"prompt_token_ids":[1],"choices":[{"logprobs":{"content":[{"logprob":-1}]},"token_ids":[1]}]}',
    '{"choices":[{"logprobs":{"content":[{"logprob":-1}]},"token_ids":[-1]}]}',
    '{"choices":[{"logprobs":{"content":[{"logprob":null}]},"token_ids":[1]}]}',
    '{"choices":[{"logprobs":{"content":[{"logprob":-1',
    '{"choices":[{"logprobs":{"content":[{"logprob":-1}]},"token_ids":[1',
    '{"choices":[{"logprobs":{"content":[]},"token_ids":[]}]}',
    '{"choices":[{"logprobs":{"content":[{"token":"a"}]},"token_ids":[1]}]}',
    '{"choices":[{"logprobs":{"content":[{"logprob":-1,"logprob":-2}]},"token_ids":[1]}]}',
    '{"choices":[{"logprobs":{"content":[null]},"token_ids":[1]}]}',
    '{"choices":[{"logprobs":{"content":["a"]},"token_ids":[1]}]}',
  ])('leaves %s to the parser', (text) => {
    expect(findLists(scanner, Buffer.from(text))).toBeUndefined();
  });
});
