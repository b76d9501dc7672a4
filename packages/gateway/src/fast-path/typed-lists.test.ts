import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonReplyReader } from '../reply-reader/json-reader.ts';
import { chatFormat } from '../reply-reader/chat-format.ts';
import type { ReplyReader } from '../reply-reader/reply-reader.ts';
import { ReplyDraft } from '../reply/model-reply.ts';
import { FastReplyReader } from './fast-reader.ts';
import { NumberScanner } from './number-scanner.ts';
import { parseTypedLists } from './typed-lists.ts';

const scanner = new NumberScanner();
const url = new URL('http://upstream.test/v1');
const sink = { event: () => undefined };
const view = { stream: false, usage: false, logprobs: false, tokenIds: false };
const nasty = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom(
    '"token_ids":[1]',
    '\\',
    '\\"',
    '"logprobs":{"content":[',
    ']}',
    '"logprob":-5,',
    'é🙂',
    '"prompt_token_ids":[7]',
  ),
);
const id = fc.integer({ min: 0, max: 2_147_483_647 });
const logprob = fc.double({ min: -50, max: 0, noNaN: true });
const alternative = fc.record({ token: nasty, logprob, bytes: fc.option(fc.array(fc.nat(255))) });
const entry = fc.record({
  token: nasty,
  logprob,
  bytes: fc.option(fc.array(fc.nat(255))),
  top_logprobs: fc.array(alternative, { maxLength: 2 }),
});
const choice = fc
  .record({
    index: fc.nat(2),
    message: fc.record({ role: fc.constant('assistant'), content: nasty }),
    logprobs: fc.option(fc.record({ content: fc.array(entry, { maxLength: 4 }) })),
    finish_reason: fc.constant('stop'),
    token_ids: fc.array(id),
  })
  .map((fields) => fields as Record<string, unknown>);
const reply = fc.record({
  id: nasty,
  choices: fc.array(choice, { maxLength: 3 }),
  note: nasty,
  prompt_token_ids: fc.array(id),
  usage: fc.constant({ prompt_tokens: 3, completion_tokens: 4 }),
});

/** Returns what is captured of a reply, and what the agent is shown. */
function outcome(reader: ReplyReader, bytes: Buffer): unknown {
  const draft = new ReplyDraft(3);
  const payload = reader.readWhole(bytes, { format: chatFormat, view, draft, isCaptured: true, url, sink });
  return { captured: draft.toReply(), shown: JSON.parse(JSON.stringify(payload)) as unknown };
}

describe('parseTypedLists', () => {
  it('captures and shows the same as the JSON parser, whatever the texts hold', () => {
    const [fast, json] = [new FastReplyReader(scanner), new JsonReplyReader()];
    fc.assert(
      fc.property(reply, (value) => {
        const bytes = Buffer.from(JSON.stringify(value));
        expect(outcome(fast, bytes)).toEqual(outcome(json, bytes));
      }),
      { numRuns: 500 },
    );
    expect(fast.counts.hits).toBeGreaterThan(400);
    expect(json.counts).toEqual({ hits: 0, misses: fast.counts.hits + fast.counts.misses });
  });

  it.each([
    '{"prompt_token_ids":[1.5]}',
    '{"prompt_token_ids":[-1]}',
    '{"prompt_token_ids":[1e3]}',
    '{"prompt_token_ids":[2147483648]}',
    '{"prompt_token_ids":[1,]}',
    '{"prompt_token_ids":["1"]}',
    '{"prompt_token_ids":[]}',
    '{"prompt_token_ids":0,"choices":[{"token_ids":[1]}]}',
    '{"deep":{"token_ids":[1]}}',
    '{"choices":[{"logprobs":{"content":[{"logprob":null}]}}]}',
    '{"choices":[{"logprobs":{"content":[{"logprob":-1}],"extra":1}}]}',
    '{"choices":[{"logprobs":{"content":[{"logprob":-1',
    '{"choices":[{"logprobs":{"content":[{"token":"a"}]}}]}',
    '{"choices":[{"logprobs":{"content":[{"logprob":-1,"logprob":-2}]}}]}',
    '{"choices":[{"logprobs":{"content":[null]}}]}',
    '{"choices":[{"logprobs":{"content":["a"]}}]}',
    '{"prompt_token_ids":[1,2',
    '{"prompt_token_ids":[1]',
  ])('leaves to the JSON parser what is not as expected: %s', (text) => {
    expect(parseTypedLists(scanner, Buffer.from(text))).toBeUndefined();
  });
});
