import { attributeNames as names } from '@agent-lightning/core';
import type { ScriptedReply } from '@agent-lightning/testing';
import type OpenAI from 'openai';
import { zodTextFormat } from 'openai/helpers/zod';
import { afterEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { FakeEngine } from './fake-engine.ts';
import { startHarness, stopAll } from './harness.ts';
import { startScripted } from './scripted.ts';

afterEach(stopAll);
const tool = {
  type: 'function' as const,
  name: 'run_sql',
  description: 'Runs a query.',
  parameters: { type: 'object', properties: { query: { type: 'string' } } },
  strict: false,
};

describe('POST /v1/responses', () => {
  it('asks in chat and tells the reply as a response', async () => {
    const { client, server, finish } = await startScripted([
      { content: 'Six.', reasoning: 'Let me count.', id: 'chatcmpl-7' },
    ]);
    const response = await client.responses.create({
      model: 'policy',
      instructions: 'Be brief.',
      input: [
        { role: 'developer', content: 'Count in SQL.' },
        {
          role: 'user',
          content: [
            { type: 'input_text', text: 'How many?' },
            { type: 'input_image', image_url: 'data:image/png;base64,AAAA', detail: 'low' },
          ],
        },
      ],
      max_output_tokens: 50,
    });
    expect(response.output_text).toBe('Six.');
    expect(response).toMatchObject({ id: 'chatcmpl-7', status: 'completed', instructions: 'Be brief.' });
    expect(response.output.map((item) => item.type)).toEqual(['reasoning', 'message']);
    expect(response.output[0]).toMatchObject({ content: [{ type: 'reasoning_text', text: 'Let me count.' }] });
    expect(server.calls[0]).toMatchObject({
      path: '/v1/chat/completions',
      body: {
        max_tokens: 50,
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'system', content: 'Count in SQL.' },
          {
            role: 'user',
            content: [
              { type: 'text', text: 'How many?' },
              { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA', detail: 'low' } },
            ],
          },
        ],
      },
    });
    const [span] = await finish();
    expect(response.usage).toMatchObject({ output_tokens: span?.tokens?.response.length });
    expect(span?.attributes).toMatchObject({ [names.dialect]: 'responses', [names.responseId]: 'chatcmpl-7' });
    expect(span?.attributes).not.toHaveProperty(names.untrainable);
  });

  it('runs a tool loop with parallel calls; the next prompt holds the turn as it was sampled', async () => {
    const { client, server } = await startScripted([
      {
        content: 'Looking.',
        reasoning: 'Two queries.',
        toolCalls: [
          { name: 'run_sql', arguments: { query: 'select 1' } },
          { name: 'run_sql', arguments: { query: 'select 2' } },
        ],
      },
      'Three.',
    ]);
    const first = await client.responses.create({ model: 'policy', input: 'Add them.', tools: [tool] });
    const calls = first.output.filter((item) => item.type === 'function_call');
    expect(calls.map((call) => call.arguments)).toEqual(['{"query":"select 1"}', '{"query":"select 2"}']);
    const second = await client.responses.create({
      model: 'policy',
      tools: [tool],
      input: [
        { role: 'user', content: 'Add them.' },
        ...(first.output as OpenAI.Responses.ResponseInputItem[]),
        ...calls.map((call, index) => ({
          type: 'function_call_output' as const,
          call_id: call.call_id,
          output: String(index + 1),
        })),
      ],
    });
    expect(second.output_text).toBe('Three.');
    expect(server.calls[0]?.body).toMatchObject({
      tools: [{ type: 'function', function: { name: 'run_sql', description: 'Runs a query.', strict: false } }],
    });
    const body = server.calls[1]?.body as unknown as { messages: unknown[] } | undefined;
    expect(body?.messages).toEqual([
      { role: 'user', content: 'Add them.' },
      {
        role: 'assistant',
        content: 'Looking.',
        reasoning: 'Two queries.',
        reasoning_content: 'Two queries.',
        tool_calls: [
          { id: 'call_0_0', type: 'function', function: { name: 'run_sql', arguments: '{"query":"select 1"}' } },
          { id: 'call_0_1', type: 'function', function: { name: 'run_sql', arguments: '{"query":"select 2"}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'call_0_0', content: '1' },
      { role: 'tool', tool_call_id: 'call_0_1', content: '2' },
    ]);
  });

  it.each<[string, ScriptedReply]>([
    ['text', { content: 'one two three' }],
    ['reasoning and text', { reasoning: 'hm well', content: 'one two' }],
    ['tool calls', { content: 'now', toolCalls: [{ name: 'run_sql', arguments: { query: 'select 1' } }] }],
    ['parallel calls', { toolCalls: [1, 2].map((id) => ({ name: 'run_sql', arguments: { id } })) }],
    ['a refusal', { content: null, refusal: 'I will not' }],
    ['a length', { content: 'cut off', finishReason: 'length' }],
    ['nothing', { content: '' }],
  ])('streams %s as the official client wants it, equal to the whole', async (_name, reply) => {
    const { client, finish } = await startScripted(() => ({ ...reply, id: 'same', chunkTokens: [2, 1] }));
    const asked = { model: 'policy', input: 'Go.', tools: [tool] };
    const whole = await client.responses.create(asked);
    const stream = client.responses.stream(asked);
    const sequence: number[] = [];
    for await (const event of stream) sequence.push(event.sequence_number);
    expect(sequence).toEqual(sequence.map((_, index) => index));
    const streamed = await stream.finalResponse();
    expect(withoutIds(streamed)).toEqual(withoutIds(whole));
    const [first, second] = await finish();
    expect(second?.tokens).toEqual(first?.tokens);
    expect(second?.attributes[names.outputMessages]).toEqual(first?.attributes[names.outputMessages]);
  });

  it.each(['auto', 'concise', 'detailed'] as const)('takes a summary that is %s, and truncation', async (summary) => {
    const { client } = await startScripted([{ reasoning: 'hm', content: 'Done.' }]);
    const asked = { model: 'policy', input: 'Go.', truncation: 'auto' as const, reasoning: { summary } };
    expect(await client.responses.create(asked)).toMatchObject({
      output_text: 'Done.',
      truncation: 'auto',
      reasoning: { summary },
      output: [{ type: 'reasoning', summary: [] }, { type: 'message' }],
    });
  });

  it.each([
    [false, { store: false }],
    [true, { store: false }],
    [false, { include: ['reasoning.encrypted_content' as const] }],
  ])('lets reasoning come back in encrypted_content alone, streamed: %s, %o', async (stream, more) => {
    const { client, server } = await startScripted([
      { reasoning: 'Für 2 Zeilen…', toolCalls: [{ name: 'run_sql', arguments: { query: 'select 1' } }] },
      'Done.',
    ]);
    const asked = { model: 'policy', input: 'Go.', tools: [tool], ...more };
    const { output } = await (stream ? client.responses.stream(asked).finalResponse() : client.responses.create(asked));
    const [thought, call] = output as [
      OpenAI.Responses.ResponseReasoningItem,
      OpenAI.Responses.ResponseFunctionToolCall,
    ];
    await client.responses.create({
      ...asked,
      input: [
        { role: 'user', content: 'Go.' },
        { type: 'reasoning', id: thought.id, summary: [], encrypted_content: thought.encrypted_content ?? null },
        call,
        { type: 'function_call_output', call_id: call.call_id, output: '1' },
      ],
    });
    const { messages } = server.calls[1]!.body as unknown as { messages: readonly unknown[] };
    expect(messages[1]).toMatchObject({ role: 'assistant', reasoning_content: 'Für 2 Zeilen…' });
  });

  it.each([false, true])('knows the items that a request refers to, streamed: %s', async (stream) => {
    const { client, server, post } = await startScripted([
      { reasoning: 'hm', toolCalls: [{ name: 'run_sql', arguments: { query: 'select 1' } }] },
      'Done.',
    ]);
    const asked = { model: 'policy', input: 'Go.', tools: [tool] };
    const first = await (stream ? client.responses.stream(asked).finalResponse() : client.responses.create(asked));
    await client.responses.create({
      ...asked,
      input: [
        { role: 'user', content: 'Go.' },
        ...first.output.map(({ id }) => ({ type: 'item_reference' as const, id: id ?? '' })),
        { type: 'function_call_output', call_id: 'call_0_0', output: '1' },
      ],
    });
    expect(server.calls[1]?.body).toMatchObject({
      messages: [{}, { reasoning: 'hm', tool_calls: [{ id: 'call_0_0' }] }, { role: 'tool', content: '1' }],
    });
    const unknown = await post(
      { model: 'policy', input: [{ type: 'item_reference', id: 'x' }] },
      { path: '/responses' },
    );
    expect(await unknown.json()).toMatchObject({ error: { param: 'input[0].id' } });
  });

  it.each([false, true])('goes on from a response that the attempt got before, stream: %s', async (stream) => {
    const { client, server, open } = await startScripted([
      { toolCalls: [{ name: 'look', arguments: {} }] },
      'One.',
      'Two.',
    ]);
    const ask = (rest: object): Promise<OpenAI.Responses.Response> => {
      const asked = { model: 'policy', instructions: 'Be short.', ...rest } as const;
      return stream ? client.responses.stream(asked).finalResponse() : client.responses.create(asked);
    };
    const first = await ask({ input: 'Go.' });
    const done = { type: 'function_call_output', call_id: 'call_0_0', output: '1' };
    const second = await ask({ input: [done], previous_response_id: first.id });
    expect(second).toMatchObject({ output_text: 'One.', previous_response_id: first.id });
    await ask({ input: 'And?', previous_response_id: second.id });
    const before = [
      { role: 'system', content: 'Be short.' },
      { role: 'user', content: 'Go.' },
      { role: 'assistant', tool_calls: [{ id: 'call_0_0' }] },
      { role: 'tool', content: '1' },
    ];
    expect(server.calls[1]?.body).toMatchObject({ messages: before });
    expect(server.calls[2]?.body).toMatchObject({
      messages: [...before, { role: 'assistant', content: 'One.' }, { role: 'user', content: 'And?' }],
    });
    const other = await open();
    for (const [from, previous] of [
      [other.client, first.id], // another attempt's
      [client, first.output[0]?.id], // an item's
    ] as const)
      await expect(
        from.responses.create({ model: 'policy', input: 'x', previous_response_id: previous! }),
      ).rejects.toMatchObject({ status: 400, param: 'previous_response_id' });
  });

  it('keeps no response of who says store: false', async () => {
    const { client } = await startScripted(['One.', 'Two.']);
    const { id } = await client.responses.create({ model: 'policy', input: 'Go.', store: false });
    const next = client.responses.create({ model: 'policy', input: 'x', previous_response_id: id });
    await expect(next).rejects.toThrow(/no response that is kept for this attempt; send the whole conversation/u);
  });

  it('asks for structured output in the prompt, and the official client parses it', async () => {
    const { client, server, finish } = await startScripted(() => '{"count":6}');
    const response = await client.responses.parse({
      model: 'policy',
      input: 'How many?',
      text: { format: zodTextFormat(z.object({ count: z.number() }), 'answer') },
    });
    expect(response.output_parsed).toEqual({ count: 6 });
    expect(server.calls[0]?.body).toMatchObject({
      messages: [{ role: 'system', content: expect.stringContaining('"count":{"type":"number"}') }, { role: 'user' }],
    });
    expect(server.calls[0]?.body).not.toHaveProperty('response_format');
    const [span] = await finish();
    expect(span?.attributes[names.structuredOutput]).toBe('prompt');
    expect(span?.attributes).not.toHaveProperty(names.untrainable);
  });

  it('gives log-probabilities to who includes them', async () => {
    const { client } = await startScripted(() => 'a b');
    const response = await client.responses.create({
      model: 'policy',
      input: 'x',
      include: ['message.output_text.logprobs'],
    });
    const [message] = response.output;
    expect(message).toMatchObject({ content: [{ logprobs: [{ token: 'a' }, { token: ' b' }, {}] }] });
  });

  it('asks an engine in this process', async () => {
    const { gateway, client, finish } = await startHarness();
    gateway.publish('policy', { kind: 'engine', version: 1, engine: new FakeEngine() });
    const unasked = { reasoning: { effort: 'none' }, text: { verbosity: 'low' } } as const; // by the OpenAI Agents SDK
    const whole = await client.responses.create({ model: 'policy', input: 'Hi', ...unasked });
    expect(whole.output_text).toBe('hello world');
    const stream = client.responses.stream({ model: 'policy', input: 'Hi' });
    expect((await stream.finalResponse()).output_text).toBe('hello world');
    expect((await finish()).map((span) => [...(span.tokens?.response ?? [])])).toEqual([
      [1000, 1001],
      [1000, 1001],
    ]);
  });

  it.each([
    [{ previous_response_id: 'resp_1' }, 'previous_response_id'],
    [{ conversation: 'conv_1' }, 'conversation'],
    [{ background: true }, 'background'],
    [{ truncation: 'last' }, 'truncation'],
    [{ max_tool_calls: 3 }, 'max_tool_calls'],
    [{ tools: [{ type: 'web_search' }] }, 'tools[0].type'],
    [{ tool_choice: { type: 'file_search' } }, 'tool_choice'],
    [{ include: ['file_search_call.results'] }, 'include[0]'],
    [{ reasoning: { summary: 'long' } }, 'reasoning.summary'],
    [{ text: { format: { type: 'grammar' } } }, 'text.format.type'],
    [{ input: [{ type: 'item_reference', id: 'x' }] }, 'input[0].id'],
    [{ input: [{ type: 'reasoning', id: 'x', summary: [], encrypted_content: 'abc' }] }, 'input[0].encrypted_content'],
    [{ input: [{ role: 'user', content: [{ type: 'input_image', file_id: 'f' }] }] }, 'input[0].content[0]'],
    [{ input: [{ role: 'robot', content: 'x' }] }, 'input[0].role'],
    [{ input: [] }, 'messages'],
    [{ unheard_of: 1 }, 'unheard_of'],
  ])('refuses %j, naming the field', async (fields, param) => {
    const { post, server } = await startScripted();
    const response = await post({ model: 'policy', input: 'a', ...fields }, { path: '/responses' });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ error: { param } });
    expect(server.calls).toHaveLength(0);
  });

  it('ends a stream that breaks with an error, never with a response that looks whole', async () => {
    const { client, finish } = await startScripted(() => ({
      content: 'one two three',
      fault: { type: 'cut', afterEvents: 3 },
    }));
    const stream = await client.responses.create({ model: 'policy', input: 'x', stream: true });
    const types: string[] = [];
    await expect(
      (async () => {
        for await (const event of stream) types.push(event.type);
      })(),
    ).rejects.toThrow(/broke off/u);
    expect(types).not.toContain('response.completed');
    expect((await finish())[0]?.attributes).toMatchObject({ [names.incomplete]: true });
  });
});

/** A response without the ids and times that differ between two. */
function withoutIds(response: unknown): unknown {
  return JSON.parse(
    JSON.stringify(response, (key, value: unknown) =>
      key === 'created_at' ||
      key === 'parsed' ||
      key === 'parsed_arguments' ||
      key === 'output_parsed' ||
      (key === 'id' && value !== 'same')
        ? undefined
        : value,
    ),
  );
}
