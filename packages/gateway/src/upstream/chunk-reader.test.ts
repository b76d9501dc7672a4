import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ReplyDraft } from '../chat/model-reply.ts';
import { chatFormat } from './chat-format.ts';
import { ChunkReader } from './chunk-reader.ts';
import { isForAgent, readPayload, stripPayload } from './reply-format.ts';

const view = { stream: true, usage: false, logprobs: false, tokenIds: false };
const url = new URL('http://upstream.test/v1');
const choices = 2;

function readerOf(draft: ReplyDraft): ChunkReader {
  return new ChunkReader({ format: chatFormat, view, draft, isCaptured: true, url });
}

/** What is captured of a stream, and what the agent is shown. */
interface Outcome {
  readonly captured: unknown;
  readonly shown: readonly unknown[];
  readonly error: boolean;
}

function outcomeOf(texts: readonly string[], draft: ReplyDraft, read: (text: string) => unknown): Outcome {
  const shown: unknown[] = [];
  let error = false;
  try {
    for (const text of texts) {
      const seen = read(text);
      if (seen !== undefined) shown.push(seen);
    }
  } catch {
    error = true;
  }
  return { captured: draft.toReply(), shown, error };
}

/** Through the reader, each chunk between others in one text. */
function fast(texts: readonly string[]): Outcome {
  const draft = new ReplyDraft(choices);
  const reader = readerOf(draft);
  return outcomeOf(texts, draft, (text) => {
    const event = reader.read(`data: ${text}\n\ndata: x`, 6, 6 + text.length);
    return event === undefined ? undefined : JSON.parse(event.text ?? JSON.stringify(event.payload));
  });
}

/** The same, plainly: each chunk through the JSON parser. */
function plain(texts: readonly string[]): Outcome {
  const draft = new ReplyDraft(choices);
  return outcomeOf(texts, draft, (text) => {
    const payload = JSON.parse(text) as Record<string, unknown>;
    readPayload(payload, draft, chatFormat, true);
    if (!isForAgent(payload, view)) return undefined;
    stripPayload(payload, view);
    return payload;
  });
}

const said = fc.oneof(
  fc.constantFrom(' word', 'é🙂', '\\', '"', '\n', ',"token_ids":[1]', '"logprobs":{"content":[', '"content":"', ''),
  fc.string({ unit: 'binary' }).map((text) => text.replaceAll(/[\ud800-\udfff]/gu, '')),
);
const delta = fc.oneof(
  { weight: 6, arbitrary: said.map((content) => ({ content })) },
  said.map((content) => ({ role: 'assistant', content, reasoning: null })),
  said.map((reasoning) => ({ reasoning })),
  said.map((text) => ({ tool_calls: [{ index: 0, function: { arguments: text } }] })),
  said.map((name) => ({ tool_calls: [{ index: 1, id: 'call', type: 'function', function: { name, arguments: '' } }] })),
  said.map((text) => ({ content: text, audio: { data: 'x' } })),
  fc.constant({}),
);
const logprob = fc.double({ min: -50, max: 0, noNaN: true });
const id = fc.integer({ min: 0, max: 2_147_483_647 });
const chunk = fc
  .record({
    index: fc.constantFrom(0, 0, 0, 1, 2),
    delta,
    tokens: fc.array(fc.tuple(id, logprob, said), { maxLength: 3 }),
    finish: fc.constantFrom(null, null, null, 'stop'),
    refusal: fc.constantFrom(undefined, undefined, null),
    rest: fc.constantFrom({}, {}, {}, { usage: { prompt_tokens: 1, completion_tokens: 2 } }, { prompt_token_ids: [7] }),
    spaces: fc.constantFrom(undefined, undefined, undefined, undefined, 1),
  })
  .map(({ index, delta: change, tokens, finish, refusal, rest, spaces }) => {
    const content = tokens.map(([, value, token]) => ({ token, logprob: value, bytes: [1], top_logprobs: [] }));
    const choice = {
      index,
      delta: change,
      logprobs: tokens.length === 0 ? null : { content, ...(refusal === undefined ? {} : { refusal }) },
      finish_reason: finish,
      token_ids: tokens.map(([token]) => token),
    };
    return JSON.stringify({ id: 'chatcmpl-1', model: 'm', choices: [choice], ...rest }, undefined, spaces);
  });

describe('ChunkReader', () => {
  it('captures and shows of a stream what the ordinary parser would', () => {
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 24 }), (texts) => {
        expect(fast(texts)).toEqual(plain(texts));
      }),
      { numRuns: 500 },
    );
  });

  it('does so however a chunk of it is damaged', () => {
    const damage = fc.record({
      at: fc.nat(200),
      length: fc.nat(4),
      put: fc.constantFrom('', '"', '\\', '}', ']', '0', ',', ' '),
    });
    fc.assert(
      fc.property(fc.array(chunk, { minLength: 2, maxLength: 8 }), damage, (texts, { at, length, put }) => {
        const last = texts.at(-1) ?? '';
        const damaged = last.slice(0, at) + put + last.slice(at + length);
        const [got, wanted] = [fast([...texts, damaged]), plain([...texts, damaged])];
        // What stands in the lists is not read twice: broken JSON may pass in there, and nowhere else.
        if (wanted.error && !got.error) expect(damaged).toMatch(/"logprobs"|token_ids/u);
        else expect(got).toEqual(wanted);
      }),
      { numRuns: 500 },
    );
  });

  it('parses the first chunk of a form, and then no other', () => {
    const reader = readerOf(new ReplyDraft(choices));
    const payloadOf = (index: number, content: string): unknown => {
      const logprobs = { content: [{ token: content, logprob: -1, bytes: null, top_logprobs: [] }] };
      const text = JSON.stringify({ id: 'c', choices: [{ index, delta: { content }, logprobs, token_ids: [5] }] });
      return reader.read(text, 0, text.length)?.payload;
    };
    const first = payloadOf(0, 'a');
    const second = payloadOf(0, 'b "c"');
    expect(second).not.toBe(first);
    expect(payloadOf(0, 'd')).toBe(second);
    expect(payloadOf(1, 'e')).not.toBe(second);
    expect(payloadOf(0, 'f')).toBe(second);
    expect(second).toMatchObject({ choices: [{ delta: { content: 'f' }, logprobs: null }] });
  });
});
