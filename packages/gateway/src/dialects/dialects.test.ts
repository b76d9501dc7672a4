import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { JsonObject } from '../http/read-body.ts';
import { ReplyError } from '../http/reply-error.ts';
import { MessageDraft } from '../reply/reply-message.ts';
import type { DialectEvent } from './dialect.ts';
import { dialects } from './dialects.ts';

const types = [
  'message',
  'text',
  'input_text',
  'output_text',
  'input_image',
  'image',
  'reasoning',
  'thinking',
  'function_call',
  'function_call_output',
  'tool_use',
  'tool_result',
  'function',
  'refusal',
  'json_schema',
  'auto',
  'tool',
];
const text = fc.oneof(fc.constantFrom('user', 'assistant', 'system', 'x', ''), fc.string({ maxLength: 4 }));
const leaf = fc.oneof(text, fc.integer(), fc.boolean(), fc.constant(null), fc.double());
const names = fc.constantFrom(
  'role',
  'content',
  'text',
  'input',
  'output',
  'id',
  'call_id',
  'tool_use_id',
  'name',
  'arguments',
  'thinking',
  'summary',
  'source',
  'image_url',
  'is_error',
  'input_schema',
  'format',
  'schema',
  'effort',
);
const typed = (inner: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
  fc
    .tuple(fc.constantFrom(...types), text, fc.dictionary(names, inner, { maxKeys: 4 }))
    .map(([type, role, rest]) => ({ type, role, ...rest }));
const part = typed(leaf);
const block = typed(fc.oneof(leaf, part, fc.array(part, { maxLength: 2 })));
const value = fc.oneof(leaf, block, fc.array(block, { maxLength: 3 }));
const fields: Readonly<Record<string, readonly string[]>> = {
  '/chat/completions': ['messages', 'tools', 'tool_choice', 'stop', 'n', 'stream_options', 'response_format'],
  '/completions': ['prompt', 'echo', 'best_of', 'logprobs', 'suffix', 'stop', 'n', 'stream_options'],
  '/responses': ['input', 'instructions', 'tools', 'tool_choice', 'text', 'reasoning', 'include', 'top_logprobs'],
  '/messages': [
    'messages',
    'system',
    'tools',
    'tool_choice',
    'thinking',
    'output_config',
    'metadata',
    'stop_sequences',
  ],
};
const whole: Readonly<Record<string, JsonObject>> = {
  '/chat/completions': { messages: [{ role: 'user', content: 'hi' }] },
  '/completions': { prompt: 'hi' },
  '/responses': { input: 'hi' },
  '/messages': { messages: [{ role: 'user', content: 'hi' }], max_tokens: 5 },
};

describe.each([...dialects])('a body on %s', (path, dialect) => {
  it('is understood or refused with its field, never anything else', () => {
    const name = fc.constantFrom(...(fields[path] ?? []), 'stream', 'temperature', 'model');
    let accepted = 0;
    fc.assert(
      fc.property(fc.dictionary(name, value, { maxKeys: 3 }), (fuzzed) => {
        try {
          dialect.parse({ model: 'policy', ...whole[path], ...fuzzed });
          accepted += 1;
        } catch (error) {
          expect(error).toBeInstanceOf(ReplyError);
          expect((error as ReplyError).status).toBe(400);
          expect((error as ReplyError).param).toBeTypeOf('string');
        }
      }),
      { numRuns: 2_500 },
    );
    expect(accepted).toBeGreaterThan(25);
  });
});

interface CallDelta {
  readonly index: number;
  readonly id: string;
  readonly name: string;
  readonly text: string;
  readonly isFirst: boolean;
}

/** The ways in which servers send the deltas of tool calls. */
const callManners = {
  'as OpenAI does': ({ index, id, name, text, isFirst }: CallDelta) =>
    isFirst ? { index, id, function: { name, arguments: text } } : { index, function: { arguments: text } },
  'all at index 0': ({ id, name, text, isFirst }: CallDelta) =>
    isFirst ? { index: 0, id, function: { name, arguments: text } } : { index: 0, function: { arguments: text } },
  'without index': ({ id, name, text, isFirst }: CallDelta) =>
    isFirst ? { id, function: { name, arguments: text } } : { function: { arguments: text } },
  'with id and name in each': ({ index, id, name, text }: CallDelta) => ({
    index,
    id,
    function: { name, arguments: text },
  }),
  'with id and name in each, all at index 0': ({ id, name, text }: CallDelta) => ({
    index: 0,
    id,
    function: { name, arguments: text },
  }),
  'with another id in each': ({ index, id, name, text, isFirst }: CallDelta) => ({
    index,
    id: isFirst ? id : `${id}_${text.length}`,
    function: isFirst ? { name, arguments: text } : { arguments: text },
  }),
};

/** A reply of an upstream, as chunks and as a whole. */
const said = fc.record({
  reasoning: fc.array(fc.string({ minLength: 1 }), { maxLength: 3 }),
  text: fc.array(fc.string({ minLength: 1 }), { maxLength: 4 }),
  calls: fc.array(fc.record({ name: fc.constantFrom('a', 'b'), pieces: fc.array(fc.string(), { maxLength: 4 }) }), {
    maxLength: 3,
  }),
  end: fc.constantFrom('stop', 'length', 'tool_calls'),
  manner: fc.constantFrom(...(Object.keys(callManners) as (keyof typeof callManners)[])),
});

const head = { id: 'x', created: 7, model: 'm' };

function chunksOf(reply: typeof said extends fc.Arbitrary<infer Said> ? Said : never): JsonObject[] {
  const delta = (fields: JsonObject, end: string | null = null): JsonObject => ({
    ...head,
    choices: [{ index: 0, delta: fields, finish_reason: end }],
  });
  return [
    delta({ role: 'assistant', content: '' }),
    ...reply.reasoning.map((piece) => delta({ reasoning_content: piece })),
    ...reply.text.map((piece) => delta({ content: piece })),
    ...reply.calls.flatMap(({ name, pieces }, index) =>
      ['', ...pieces].map((text, at) =>
        delta({
          tool_calls: [callManners[reply.manner]({ index, id: `call_${index}`, name, text, isFirst: at === 0 })],
        }),
      ),
    ),
    delta({}, reply.end),
    { ...head, choices: [], usage: { prompt_tokens: 3, completion_tokens: 4 } },
  ];
}

function wholeOf(reply: typeof said extends fc.Arbitrary<infer Said> ? Said : never): JsonObject {
  const calls = reply.calls.map(({ name, pieces }, index) => ({
    id: `call_${index}`,
    function: { name, arguments: pieces.join('') },
  }));
  const message = { reasoning_content: reply.reasoning.join(''), content: reply.text.join(''), tool_calls: calls };
  const usage = { prompt_tokens: 3, completion_tokens: 4 };
  return { ...head, choices: [{ index: 0, message, finish_reason: reply.end }], usage };
}

function withoutIds(value: unknown): unknown {
  const isRandom = (text: unknown): boolean => typeof text === 'string' && /^(?:msg|rs|fc)_/u.test(text);
  return JSON.parse(JSON.stringify(value, (key, item: unknown) => (key === 'id' && isRandom(item) ? '' : item)));
}

describe('a stream of responses', () => {
  it('ends in the response that the whole reply gives, numbered without a gap', () => {
    fc.assert(
      fc.property(said, (reply) => {
        const parse = (): ReturnType<NonNullable<ReturnType<typeof dialects.get>>['parse']> | undefined =>
          dialects.get('/responses')?.parse({ model: 'm', input: 'hi' });
        const translation = parse()?.translation;
        const events: DialectEvent[] = chunksOf(reply).flatMap((chunk) => translation?.chunk(chunk) ?? []);
        events.push(...(translation?.end() ?? []));
        expect(events.map((event) => event['sequence_number'])).toEqual(events.map((_, index) => index));
        const wholeReply = parse()?.translation?.whole(wholeOf(reply)) as JsonObject;
        const last = events.at(-1)?.['response'] as { readonly output: readonly { readonly status: string }[] };
        // Only the item that was being said is cut short; a whole reply does not tell which.
        const statusless = (item: object): object => ({ ...item, status: '' });
        expect(withoutIds({ ...last, output: last.output.map(statusless) })).toEqual(
          withoutIds({ ...wholeReply, output: (wholeReply['output'] as object[]).map(statusless) }),
        );
      }),
    );
  });
});

describe('a stream of messages', () => {
  it('adds up to the message that the whole reply gives', () => {
    fc.assert(
      fc.property(said, (reply) => {
        const translation = dialects.get('/messages')?.parse({ model: 'm', ...whole['/messages'] }).translation;
        const events: DialectEvent[] = chunksOf(reply).flatMap((chunk) => translation?.chunk(chunk) ?? []);
        events.push(...(translation?.end() ?? []));
        const blocks: Record<string, unknown>[] = [];
        for (const event of events) {
          const block = blocks[Number(event['index'])];
          const delta = event['delta'] as Readonly<Record<string, string>> | undefined;
          if (event.type === 'content_block_start') blocks.push({ ...(event['content_block'] as object) });
          else if (event.type === 'content_block_delta' && block !== undefined && delta !== undefined) {
            if (delta['type'] === 'input_json_delta') block['input'] = JSON.parse(delta['partial_json'] ?? '');
            const field = delta['type'] === 'text_delta' ? 'text' : 'thinking';
            if (delta['type'] !== 'input_json_delta') block[field] = `${String(block[field])}${delta[field]}`;
          }
        }
        const message = translation?.whole(wholeOf(reply)) as JsonObject;
        expect(blocks).toEqual(message['content']);
        const end = events.find((event) => event.type === 'message_delta');
        expect(end).toMatchObject({ usage: message['usage'], delta: { stop_reason: message['stop_reason'] } });
      }),
    );
  });
});

describe('a captured message', () => {
  it('is the same from a stream, in whatever manner its tool calls come, as from the whole reply', () => {
    fc.assert(
      fc.property(said, (reply) => {
        const [streamed, whole] = [new MessageDraft(), new MessageDraft()];
        for (const chunk of chunksOf(reply)) streamed.add(firstChoice(chunk)?.delta ?? {});
        whole.add(firstChoice(wholeOf(reply))?.message ?? {});
        expect(streamed.toMessage()).toEqual(whole.toMessage());
      }),
    );
  });
});

function firstChoice(payload: JsonObject): { readonly delta?: JsonObject; readonly message?: JsonObject } | undefined {
  return (payload['choices'] as readonly { readonly delta?: JsonObject; readonly message?: JsonObject }[])[0];
}
