import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ReplyDraft } from '../reply/model-reply.ts';
import { EventBytes } from '../http/event-bytes.ts';
import type { ReplyEvent } from '../http/reply-sink.ts';
import { chatFormat } from '../reply-reader/chat-format.ts';
import { EventStreamParser } from '../reply-reader/event-stream.ts';
import { JsonReplyReader } from '../reply-reader/json-reader.ts';
import { isForAgent, readPayload, stripPayload } from '../reply-reader/reply-format.ts';
import type { ReplyReader, StreamReader } from '../reply-reader/reply-reader.ts';
import { createReplyReader, FastReplyReader } from './fast-reader.ts';

const view = { stream: true, usage: false, logprobs: false, tokenIds: false };
const url = new URL('http://upstream.test/v1');
const choices = 2;

/** A sink that keeps what an agent gets: bytes where its dialect is the gateway's own, else payloads. */
class Told {
  readonly output: EventBytes | undefined;
  readonly #payloads: string[] = [];

  constructor(isOwnDialect: boolean) {
    this.output = isOwnDialect ? new EventBytes() : undefined;
  }

  event({ text, payload }: ReplyEvent): void {
    if (this.output === undefined) this.#payloads.push(JSON.stringify(payload));
    else this.output.addText(`data: ${text ?? JSON.stringify(payload)}\n\n`);
  }

  get shown(): unknown[] {
    const pieces = this.output?.take()?.pieces ?? [];
    const texts =
      this.output === undefined ? this.#payloads : Buffer.concat(pieces).toString().split('\n\n').slice(0, -1);
    return texts.map((text) => JSON.parse(text.replace('data: ', '')) as unknown);
  }
}

function openStream(reader: ReplyReader, draft: ReplyDraft, sink: Pick<Told, 'event'>): StreamReader {
  return reader.openStream({ format: chatFormat, view, draft, isCaptured: true, url, sink });
}

/** Returns what is captured of a stream, and what the agent is shown. */
interface Outcome {
  readonly captured: unknown;
  readonly shown: readonly unknown[];
  readonly error: boolean;
}

function parserOf(reader: StreamReader): EventStreamParser {
  return new EventStreamParser(
    (data) => reader.readEvent(data),
    (bytes, start) => reader.readEvents(bytes, start),
  );
}

/** Through a reader, some events at once. */
function through(reader: ReplyReader, texts: readonly string[], isOwnDialect: boolean, eventsAtOnce = 1): Outcome {
  const draft = new ReplyDraft(choices);
  const told = new Told(isOwnDialect);
  const stream = openStream(reader, draft, told);
  let error = false;
  try {
    const parser = parserOf(stream);
    for (let at = 0; at < texts.length; at += eventsAtOnce)
      parser.push(
        texts.slice(at, at + eventsAtOnce).map((text) => Buffer.from(`data: ${text.replaceAll('\n', '\ndata: ')}\n\n`)),
      );
  } catch {
    error = true;
  }
  stream.end();
  return { captured: draft.toReply(), shown: told.shown, error };
}

/** The same, one chunk at a time. */
function expected(texts: readonly string[]): Outcome {
  const draft = new ReplyDraft(choices);
  const shown: unknown[] = [];
  let error = false;
  try {
    for (const text of texts) {
      const payload = JSON.parse(text) as Record<string, unknown>;
      readPayload(payload, draft, chatFormat, true);
      if (!isForAgent(payload, view)) continue;
      stripPayload(payload, view);
      shown.push(structuredClone(payload));
    }
  } catch {
    error = true;
  }
  return { captured: draft.toReply(), shown, error };
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

const readers = [
  ['fast', (): ReplyReader => createReplyReader(true), true],
  ['JSON', (): ReplyReader => createReplyReader(false), false],
] as const;

describe.each(readers)('the %s reader', (_name, create, isFast) => {
  it('captures and shows of a stream what its chunks say', () => {
    let hits = 0;
    fc.assert(
      fc.property(fc.array(chunk, { maxLength: 24 }), fc.boolean(), fc.integer({ min: 1, max: 9 }), (texts, ...how) => {
        const reader = create();
        expect(through(reader, texts, ...how)).toEqual(expected(texts));
        expect(reader.counts.hits + reader.counts.misses).toBe(texts.length);
        hits += reader.counts.hits;
      }),
      { numRuns: 500 },
    );
    if (isFast) expect(hits).toBeGreaterThan(500);
    else expect(hits).toBe(0);
  });

  it('says the same of a log-probability that is none, however many digits it has', () => {
    const texts = [-1, -1, -1881.772475367561].map((logprob) =>
      JSON.stringify({
        id: 'c',
        choices: [
          { index: 0, delta: { content: 'a' }, logprobs: { content: [{ token: 'a', logprob }] }, token_ids: [5] },
        ],
      }),
    );
    const told = through(create(), texts, true);
    expect(told).toEqual(expected(texts));
    expect(told).toMatchObject({ captured: { malformed: 'log-probability 2 of choice 0 is -1881.7724609375' } });
  });

  it('does so however a chunk of it is damaged', () => {
    const damage = fc.record({
      at: fc.nat(200),
      length: fc.nat(4),
      put: fc.constantFrom('', '"', '\\', '}', ']', '0', ',', ' '),
    });
    fc.assert(
      fc.property(
        fc.array(chunk, { minLength: 2, maxLength: 8 }),
        damage,
        fc.boolean(),
        (texts, change, isOwnDialect) => {
          const { at, length, put } = change;
          const last = texts.at(-1) ?? '';
          const damaged = (last.slice(0, at) + put + last.slice(at + length)).toWellFormed();
          const all = [...texts, damaged];
          const [got, wanted] = [through(create(), all, isOwnDialect), expected(all)];
          // What stands in the lists is not read twice: broken JSON may pass in there, and nowhere else.
          if (isFast && wanted.error && !got.error) expect(damaged).toMatch(/"logprobs"|token_ids/u);
          else expect(got).toEqual(wanted);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('FastReplyReader', () => {
  it('learns the frame of what is said after a long time of other things', () => {
    const reader = createReplyReader(true);
    const parser = parserOf(openStream(reader, new ReplyDraft(choices), new Told(true)));
    const event = (delta: object): Buffer => {
      const logprobs = { content: [{ token: 'a', logprob: -1, bytes: null, top_logprobs: [] }] };
      const choice = { index: 0, delta, logprobs, token_ids: [5] };
      return Buffer.from(`data: ${JSON.stringify({ id: 'c', choices: [choice] })}\n\n`);
    };
    const push = (bytes: Buffer): boolean => {
      const { misses } = reader.counts;
      parser.push([bytes]);
      return reader.counts.misses > misses;
    };
    for (let index = 0; index < 200; index += 1) {
      push(event({ reasoning: 'so' }));
      push(Buffer.from(': ping\n\n'));
    }
    expect(push(event({ content: 'well' }))).toBe(false);
  });

  it('tells every chunk of a frame by one payload', () => {
    const payloads: unknown[] = [];
    const sink = { event: ({ payload }: ReplyEvent) => payloads.push(payload) };
    const parser = parserOf(openStream(createReplyReader(true), new ReplyDraft(choices), sink));
    const payloadOf = (index: number, content: string): unknown => {
      const logprobs = { content: [{ token: content, logprob: -1, bytes: null, top_logprobs: [] }] };
      const bytes = Buffer.from(
        JSON.stringify({ id: 'c', choices: [{ index, delta: { content }, logprobs, token_ids: [5] }] }),
      );
      parser.push([Buffer.concat([Buffer.from('data: '), bytes, Buffer.from('\n\n')])]);
      return payloads.at(-1);
    };
    const first = payloadOf(0, 'a');
    expect(payloadOf(0, 'b "c"')).toBe(first);
    expect(payloadOf(1, 'e')).not.toBe(first);
    expect(payloadOf(0, 'f')).toBe(first);
    expect(first).toMatchObject({ choices: [{ delta: { content: 'f' }, logprobs: null }] });
  });
});

describe('createReplyReader', () => {
  afterEach(() => vi.unstubAllGlobals());

  it('reads fast where WebAssembly runs, and plainly where it does not or where that is asked for', () => {
    expect(createReplyReader(true)).toBeInstanceOf(FastReplyReader);
    expect(createReplyReader(false)).toBeInstanceOf(JsonReplyReader);
    vi.stubGlobal('WebAssembly', undefined);
    expect(createReplyReader(true)).toBeInstanceOf(JsonReplyReader);
    vi.stubGlobal('WebAssembly', { validate: () => false });
    expect(createReplyReader(true)).toBeInstanceOf(JsonReplyReader);
  });
});
