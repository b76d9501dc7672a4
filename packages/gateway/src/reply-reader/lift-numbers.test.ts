import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ReplyDraft } from '../reply/model-reply.ts';
import { readPayload, stripPayload } from './reply-format.ts';
import { chatFormat } from './chat-format.ts';
import { parseLifted } from './lift-numbers.ts';

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

/** What is captured of a payload, and what the agent is shown. */
function outcome(payload: Record<string, unknown>): unknown {
  const draft = new ReplyDraft(3);
  readPayload(payload, draft, chatFormat, false);
  stripPayload(payload, view);
  return { captured: draft.toReply(), shown: JSON.parse(JSON.stringify(payload)) as unknown };
}

describe('parseLifted', () => {
  it('captures and shows the same as the ordinary parser, whatever the texts hold', () => {
    let lifted = 0;
    fc.assert(
      fc.property(reply, (value) => {
        const text = JSON.stringify(value);
        const payload = parseLifted(Buffer.from(text));
        if (payload === undefined) return;
        lifted += 1;
        expect(outcome(payload)).toEqual(outcome(JSON.parse(text) as Record<string, unknown>));
      }),
      { numRuns: 500 },
    );
    expect(lifted).toBeGreaterThan(400);
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
  ])('leaves to the ordinary parser what is not as expected: %s', (text) => {
    expect(parseLifted(Buffer.from(text))).toBeUndefined();
  });
});
